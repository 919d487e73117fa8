"""The demonstration: a policy and a value model for Countdown, trained from nothing, and what search makes of them.

`python -m reflectree.training.countdown` runs it stage by stage; `docs/countdown.md` has the figures.
"""
