"""Search over agent systems: a design is a blueprint, a search over designs is a run like any other."""
