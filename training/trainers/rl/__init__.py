"""Reinforcement learning of a policy from graded solutions: one loop, one update, and the ways to credit steps.

Sample a group of solutions a question, grade them, give each step an advantage (`credit`), and follow a clipped policy
gradient (`update`). What the literature calls PPO, ReFT, VinePPO, GRPO, RLOO, PRIME and PAV differ in the credit, in
the divergence's place and in a few constants: they are presets (`presets`). GRPO and RLOO with outcome rewards run on
TRL's trainers where that is asked for (`on_trl`).
"""
