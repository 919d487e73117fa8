"""The ways of *aggregate*: what is asked to make one text of several nodes, by the prompt's name in `Aggregate`."""

from __future__ import annotations

from collections.abc import Mapping

from reflectree.agents.merges.base import Merging, Way
from reflectree.agents.merges.conversing import debate, layer
from reflectree.agents.merges.improving import improve, versions
from reflectree.agents.merges.pieces import combine

WAYS: Mapping[str, Way] = {
    "merge": combine,
    "consensus": combine,
    "synthesis": combine,
    "improve": improve,
    "versions": versions,
    "debate": debate,
    "layer": layer,
}

__all__ = ["WAYS", "Merging", "Way"]
