"""The methods of design search, by name: each is a blueprint (its strategy), and the agents that propose designs.

>>> METHODS["gepa"].level
'prompt'
>>> sorted(METHODS)
['adas', 'aflow', 'agentsquare', 'evolve', 'evomac', 'gepa', 'gptswarm', 'mcts', 'mipro', 'opro']
"""

from __future__ import annotations

from reflectree.graphs.design_search.methods.agents import (
    adas,
    edits,
    evolving,
    merging,
    predictors,
    reflective,
    sampled_edges,
    squares,
    updates,
    with_demos,
)
from reflectree.graphs.design_search.methods.base import Method
from reflectree.graphs.design_search.parameters import Level
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.strategies.parse import nearest

METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method("opro", "prompt", merging),
        Method("gepa", "prompt", reflective, needs_train=True),
        Method("mipro", "prompt", with_demos, needs_train=True, reads_feedback=True),
        Method("aflow", "module", edits, reads_feedback=True),
        Method("agentsquare", "module", squares, predictors),
        Method("adas", "module", adas, reads_feedback=True),
        Method("mcts", "module", edits, reads_feedback=True),
        Method("gptswarm", "agent", sampled_edges, only_there=True),
        Method("evomac", "agent", updates, reads_feedback=True),
        Method("evolve", "agent", evolving, reads_feedback=True),
    )
}
"""Every method; `level` is the one it was made for, and each runs at any level but `gptswarm`, which needs a team."""

DEFAULT: dict[Level, str] = {"prompt": "gepa", "module": "aflow", "agent": "evolve"}
"""The method of a level where none is named."""


def method(name: str) -> Method:
    """A method by its name.

    Raises:
        BadInput: There is none of this name.
    """
    if name not in METHODS:
        raise BadInput(f"unknown method {name!r}; {nearest(name, list(METHODS))}")
    return METHODS[name]


__all__ = ["DEFAULT", "METHODS", "Method", "method"]
