"""Recall: which records a run is shown, how they are shown, and what showing them brought."""

from reflectree.memory.recall.choosing import Scored, choose, lift
from reflectree.memory.recall.credit import Lift, Report, Worth, difference, report
from reflectree.memory.recall.recaller import Recalled, Recaller, is_control
from reflectree.memory.recall.rendering import cited, rendered
from reflectree.memory.recall.settings import Recall, Weights

__all__ = [
    "Lift",
    "Recall",
    "Recalled",
    "Recaller",
    "Report",
    "Scored",
    "Weights",
    "Worth",
    "choose",
    "cited",
    "difference",
    "is_control",
    "lift",
    "rendered",
    "report",
]
