"""Countdown: a policy and a value model of a third of a million parameters, small enough to train and search anywhere.

Weights, trained from nothing by `python -m reflectree.training.countdown`, ship with the package. `game` and `texts`
need neither torch nor transformers; the other modules do.
"""
