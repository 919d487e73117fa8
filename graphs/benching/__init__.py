"""Blueprints side by side over a task set at equal tokens: run, record, report.

Wherever accuracy is reported, tokens stand beside it, with self-consistency and best-of-n at the same tokens.
"""

from __future__ import annotations

from reflectree.graphs.benching.record import BenchFile, Outcome, Settings
from reflectree.graphs.benching.report import BASELINES, Difference, Report, Summary, report
from reflectree.graphs.benching.run import abench, at_equal_tokens, bench, line_up

__all__ = [
    "BASELINES",
    "BenchFile",
    "Difference",
    "Outcome",
    "Report",
    "Settings",
    "Summary",
    "abench",
    "at_equal_tokens",
    "bench",
    "line_up",
    "report",
]
