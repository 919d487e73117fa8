"""Where the feedback behind a refinement comes from: a verifier, tests, a tool, a critic, or the policy itself.

A source says what is wrong, in words; the run's own evaluator may be one. Feedback from outside the policy is
preferred: that a model corrects its own reasoning without any rarely helps (arXiv 2310.01798; the blueprint, arXiv
2501.11223, says the same), so `self` is never chosen by itself. Nothing here rewrites anything.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from reflectree.agents.base import AgentRun
from reflectree.agents.prompts.refining import critiquing, finds_nothing_wrong
from reflectree.agents.replies import split_thought
from reflectree.models.base import Choice, PolicyModel, Request
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.errors import BadInput, VerifierError
from reflectree.rlm_ops.settings import Refine
from reflectree.rlm_ops.step import Step
from reflectree.rlm_ops.structure import ReasoningStructure
from reflectree.rlm_ops.task import Verifier
from reflectree.rlm_ops.usage import NO_USAGE, Usage
from reflectree.rlm_ops.verifiers.code import CodeTests, extract_code

Source = Literal["verifier", "tests", "remark", "tool", "critic", "self", ""]

LONGEST = 2000
"""Most characters of feedback that are kept and shown."""


@dataclass(frozen=True, slots=True)
class Feedback:
    """What a source says.

    Attributes:
        source: Who says so; "" where nobody was asked.
        words: What is wrong.
        fine: Nothing is: there is nothing to refine.
        problem: Why there is no feedback, where there is none.
        usage: What it cost.
    """

    source: Source = ""
    words: str = ""
    fine: bool = False
    problem: str = ""
    usage: Usage = NO_USAGE


@dataclass(frozen=True, slots=True)
class Sources:
    """The sources a run has.

    Attributes:
        verifier: One that search may ask, or `None`.
        models: The models by role.
    """

    verifier: Verifier | None
    models: Mapping[str, PolicyModel]

    @property
    def tests(self) -> CodeTests | None:
        """The verifier, if it is tests that anybody may see."""
        return self.verifier if isinstance(self.verifier, CodeTests) and not self.verifier.gold else None

    def for_run(self, settings: Refine) -> Source | None:
        """The source that settings mean, whatever node is refined; `None` where the run does not have it."""
        if settings.critique == "none" or (settings.critique == "auto" and settings.prompt != "rewrite"):
            return ""  # other words for the same content need no feedback
        there: dict[Source, bool] = {
            "tests": self.tests is not None,  # before the verifier it is: its output says more than its score
            "verifier": self.verifier is not None,
            "critic": "critic" in self.models,
        }
        if settings.critique == "auto":
            return next((source for source, is_there in there.items() if is_there), None)
        return settings.critique if there.get(settings.critique, True) else None

    def for_node(self, settings: Refine, structure: ReasoningStructure, node: int) -> Source | None:
        """The source for one node: `auto` asks a critic only where no tool observed anything at the node."""
        source = self.for_run(settings)
        if settings.critique == "auto" and source in ("critic", None) and _observed(structure, node):
            return "tool"
        return source

    async def ask(self, source: Source, settings: Refine, call: Call, run: AgentRun) -> Feedback:
        """What a source says of the node of a call.

        Raises:
            BudgetRefused: The budget does not allow a critique; nothing was sent.
            ModelError: The critique could not be had.
        """
        structure, node = run.structure, call.nodes[0]
        step = structure.steps[node]
        if source == "":
            return Feedback()
        if source == "tests" and self.tests is not None:
            return await _tested(self.tests, step)
        if source == "verifier" and self.verifier is not None:
            return _verified(self.verifier, step)
        if source == "remark":
            return _remarked(structure, node)
        if source == "tool":
            note = structure.notes.get(node, "") if _observed(structure, node) else ""
            return (
                _short("tool", note) if note else Feedback("tool", problem=f"no tool observed anything at node {node}")
            )
        return await _criticised(source, settings, call, run)


def _observed(structure: ReasoningStructure, node: int) -> bool:
    return node in structure.versions and bool(structure.notes.get(node))


def _short(source: Source, words: str) -> Feedback:
    words = words.strip()
    return Feedback(source, words if len(words) <= LONGEST else f"{words[:LONGEST]} ...")


def _remarked(structure: ReasoningStructure, node: int) -> Feedback:
    """What the run's evaluator said of a node, with the value it gave."""
    value = structure.value(node)
    if value is None:
        return Feedback("remark", problem=f"node {node} was not evaluated")
    said = structure.remarks.get((node, ""), "")
    return replace(_short("remark", f"It is worth {value:.2f}, where 1 is best.\n{said}"), fine=value >= 1.0)


def _verified(verifier: Verifier, step: Step) -> Feedback:
    """A verifier's verdict, in words."""
    if step.answer is None:
        return Feedback("verifier", "There is no answer to check yet.")
    try:
        score = verifier.score(step.answer)
    except VerifierError as error:
        return _short("verifier", f"The answer {step.answer!r} could not be checked: {error}")
    except Exception as error:  # the boundary to a user's verifier: it fails its call, never the run
        return Feedback("verifier", problem=f"the verifier failed: {type(error).__name__}: {error}")
    words = f"A check ({verifier.name}) gives the answer {step.answer!r} a score of {score:.2f}, where 1 is right."
    return Feedback("verifier", words[:LONGEST], fine=score >= 1.0)


async def _tested(tests: CodeTests, step: Step) -> Feedback:
    """The first test that fails, with the end of its output."""
    from reflectree.rlm_ops.sandbox import arun_python

    code = extract_code(step.text, tests.entry_point) or step.answer
    if not code:
        return Feedback("tests", "There is no program to test yet.")
    try:
        if await asyncio.to_thread(tests.score, code) >= 1.0:
            return Feedback("tests", fine=True)
        for test in tests.tests:
            program = "\n".join(filter(None, (tests.setup, _program(tests, code), test)))
            outcome = await arun_python(program, limits=tests.limits)
            if not outcome.ok:
                return _short("tests", f"This test fails ({outcome.reason}):\n{test}\n{outcome.stderr.strip()[-1000:]}")
    except (VerifierError, BadInput, OSError) as error:
        return Feedback("tests", problem=f"the tests could not be run: {error}")
    return Feedback("tests", "Some tests fail when they are run one after the other.")


def _program(tests: CodeTests, code: str) -> str:
    """The code, begun by the task's prompt where it continues it."""
    if not tests.prompt:
        return code
    name = re.escape(tests.entry_point) or r"\w+"
    if re.search(rf"^(?:async )?def {name}\b", code, re.MULTILINE):
        return f"{tests.prompt.rstrip()}\n    pass\n\n{code}"
    return f"{tests.prompt.rstrip()}\n{code}"


async def _criticised(source: Source, settings: Refine, call: Call, run: AgentRun) -> Feedback:
    """A model's critique: of the critic, or of the model that will rewrite."""
    request = Request(
        critiquing(run.structure.path(call.nodes[0])),
        max_tokens=settings.critique_tokens,
        temperature=settings.temperature,
        seed=call.seed(run.seed),
        timeout=settings.timeout,
    )
    role = "critic" if source == "critic" else settings.model
    outcome = await run.caller(role).call(request, _critique_problem)
    sample = outcome.samples[0]
    if isinstance(sample, str):
        return Feedback(source, problem=sample, usage=outcome.usage)
    words = _short(source, split_thought(sample.text)[1]).words
    return Feedback(source, words, fine=finds_nothing_wrong(words), usage=outcome.usage)


def _critique_problem(choice: Choice) -> str | None:
    """A critique that was cut at its tokens is a short critique, not a broken one."""
    if choice.finish == "filter":
        return "the critique was refused by the provider's filter"
    return None if split_thought(choice.text)[1].strip() else "the critique is empty"
