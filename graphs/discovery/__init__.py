"""Discovery: search over whole candidates that something outside the model measures.

Optimisation by prompting, symbolic regression, program search and hypothesis search are problems here; how candidates
are proposed is a blueprint's business. Programs of models run in the sandbox only.
"""

from __future__ import annotations

from reflectree.graphs.discovery.base import Measured, Problem, Sampled, Waited, random_search, squash
from reflectree.graphs.discovery.catalogue import names, problem
from reflectree.graphs.discovery.discover import Discovery, adiscover, discover
from reflectree.graphs.discovery.scripted import scripted_proposer

__all__ = [
    "Discovery",
    "Measured",
    "Problem",
    "Sampled",
    "Waited",
    "adiscover",
    "discover",
    "names",
    "problem",
    "random_search",
    "scripted_proposer",
    "squash",
]
