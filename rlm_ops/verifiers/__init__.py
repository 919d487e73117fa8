"""Verifiers: factories of frozen judges of a final answer, one kind a module.

Each declares whether it knows the right answer (`gold`). Those that do not (a pattern, a schema, the rules of
Countdown, tests that stand in the task) may guide a search; those that do may only be asked after it, unless
`oracle=True`. A verifier takes the answer as it was extracted, letter case included, and normalises it itself where
that is its business. One that cannot judge raises `VerifierError`: it never calls an answer wrong because of its own
trouble.
"""

from __future__ import annotations

from reflectree.rlm_ops.verifiers.callback import function
from reflectree.rlm_ops.verifiers.code import code_tests, extract_code, visible
from reflectree.rlm_ops.verifiers.equivalence import math
from reflectree.rlm_ops.verifiers.gym import reasoning_gym
from reflectree.rlm_ops.verifiers.literal import exact
from reflectree.rlm_ops.verifiers.number import numeric
from reflectree.rlm_ops.verifiers.pattern import regex
from reflectree.rlm_ops.verifiers.puzzle import countdown
from reflectree.rlm_ops.verifiers.qa import choice, qa, yes_no
from reflectree.rlm_ops.verifiers.schema import json_schema
from reflectree.rlm_ops.verifiers.spec import parse_spec

__all__ = [
    "choice",
    "code_tests",
    "countdown",
    "exact",
    "extract_code",
    "function",
    "json_schema",
    "math",
    "numeric",
    "parse_spec",
    "qa",
    "reasoning_gym",
    "regex",
    "visible",
    "yes_no",
]
