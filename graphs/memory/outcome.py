"""How a run went, as a declared source of feedback says; gold says nothing here unless search itself may see it.

Pure functions of the finished structure. Where nobody has said anything, a model is asked: that is not done here.
"""

from __future__ import annotations

from reflectree.agents.memory.base import Verdict
from reflectree.graphs.answering import answer_event
from reflectree.graphs.setup import Setup
from reflectree.memory.records import Source
from reflectree.memory.records.origin import VERIFIED
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.events import Answered
from reflectree.rlm_ops.remembering import Remember
from reflectree.rlm_ops.structure import ReasoningStructure

_SOURCES: dict[str, Source] = {"verifier": "verifier", "tests": "tests", "function": "env"}
_OWN = frozenset({"confidence", "rollouts"})
"""Evaluators that ask the policy alone."""


def scoring_source(setup: Setup) -> Source | None:
    """Who scores answers during the search, as a source of feedback; `None` where nobody does."""
    evaluator = setup.evaluator
    if evaluator is None:
        return None
    if evaluator.source == "verifier" and setup.verifier is not None and setup.verifier.gold:
        return "gold"
    if evaluator.source in _SOURCES:
        return _SOURCES[evaluator.source]
    if evaluator.source in _OWN or ("judge" not in setup.roles and not evaluator.source.endswith("-model")):
        return "self"
    return "judge"


def opinion(setup: Setup, remember: Remember) -> Source:
    """Who is asked where a model has to say how it went."""
    return "judge" if "judge" in setup.roles and remember.feedback != "self" else "self"


def provisional(structure: ReasoningStructure, setup: Setup, reason: str) -> Answered:
    """The answer as it will be given, judged by none but a verifier that search may ask."""
    return answer_event(structure, setup.blueprint.selection, setup.usable_verifier, reason)


def verdict_of(structure: ReasoningStructure, answered: Answered, setup: Setup, remember: Remember) -> Verdict | None:
    """How the run went; `None` where a model has to be asked."""
    if answered.answer is None:
        return Verdict(None, note="no answer was found")
    wanted = remember.feedback
    verifier = setup.usable_verifier
    if wanted in ("auto", "verifier") and verifier is not None:
        source: Source = "gold" if verifier.gold else "verifier"
        if answered.correct is None:
            return Verdict(None, source, note="the verifier could not say")
        return Verdict(answered.correct, source, float(answered.correct))
    if wanted in ("judge", "self"):
        return None
    value, scorer = structure.value(answered.node), scoring_source(setup)
    if value is None or scorer is None or (wanted != "auto" and scorer != wanted):
        return None if wanted == "auto" else Verdict(None, note=f"there is no word of {wanted}")
    return Verdict(value >= remember.success, scorer, value)


def check_memory(setup: Setup) -> None:
    """Refuse what the memory part of a blueprint wants and this run does not have, before anything is paid.

    Raises:
        BadInput: The blueprint wants it, and it was not given.
    """
    remember, memory = setup.blueprint.memory, setup.memory
    if remember is None or memory is None or not memory.writes:
        return
    wanted, scorer = remember.feedback, scoring_source(setup)
    gold = scorer == "gold" or (setup.usable_verifier is not None and setup.usable_verifier.gold)
    if gold and not memory.ledger.oracle:
        raise BadInput("what is learnt here rests on gold answers: open the memory with oracle=True, or run without it")
    if wanted == "verifier" and setup.usable_verifier is None:
        raise BadInput(
            "memory.feedback is verifier: give one that knows no gold answer, or oracle=True, or feedback auto"
        )
    if wanted in ("tests", "env") and scorer != wanted:
        by = "tests that score answers" if wanted == "tests" else "a function that scores answers as evaluator="
        raise BadInput(f"memory.feedback is {wanted}: give {by}, or set it to auto")
    if any(stage.replay for stage in remember.learn):
        _check_replay(setup, wanted, scorer, gold=gold)


def _check_replay(setup: Setup, wanted: str, scorer: Source | None, *, gold: bool) -> None:
    """Refuse replays that nobody checks, or that a person would have to be asked in."""
    verified = wanted in ("auto", "verifier") and setup.usable_verifier is not None
    scored = scorer in VERIFIED and wanted in ("auto", scorer)
    if gold or not (verified or scored):
        raise BadInput(
            "memory.learn.replay wants a check that knows no gold answer: give a verifier, tests or a function that "
            "scores as evaluator=, with feedback auto or its name; or set replay to 0"
        )
    if setup.asking is not None:
        raise BadInput("memory.learn.replay would ask the person again in every replay: set it to 0")
