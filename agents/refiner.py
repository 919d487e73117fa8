"""The refiner: a critique from outside where there is one, then another text in the step's place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from reflectree.agents import free_text
from reflectree.agents.base import AgentRun
from reflectree.agents.feedback import Feedback, Sources
from reflectree.agents.prompts.refining import rewriting
from reflectree.agents.replies import split_thought, written_program
from reflectree.models.base import Choice, PolicyModel, Request
from reflectree.models.calling import spent_by
from reflectree.rlm_ops.answers import cut_at_answer, extract_answer
from reflectree.rlm_ops.calls import Call, Operator
from reflectree.rlm_ops.errors import BadInput, BudgetRefused, ModelError, ModelUnreachable, TransientModelError
from reflectree.rlm_ops.events import Event, Failed, Grown
from reflectree.rlm_ops.misbehaviour import problem_with
from reflectree.rlm_ops.operators.refine import refine_problem, refined_after
from reflectree.rlm_ops.settings import Refine
from reflectree.rlm_ops.step import Granularity, Step
from reflectree.rlm_ops.task import Verifier
from reflectree.rlm_ops.usage import NO_USAGE, Usage

SPOKEN = {
    "verifier": "the verifier finds",
    "tests": "the tests find",
    "remark": "the evaluator finds",
    "tool": "the tool finds",
    "critic": "the critic finds",
    "self": "self-critique finds",
    "": "there is",
}
"""Sources of feedback in words."""


class Refiner:
    """Carries out *refine*: at most two requests, on one bill.

    Args:
        settings: The blueprint's settings.
        granularity: The scheme's; a rewrite has that of the step it replaces.
        verifier: One that search may ask, or `None`.
        models: The models by role.
        delimiter: What ends a step.
    """

    name = "refiner"
    op: Operator = "refine"
    local = False

    def __init__(
        self,
        settings: Refine,
        granularity: Granularity,
        *,
        verifier: Verifier | None,
        models: Mapping[str, PolicyModel],
        delimiter: str = "\n",
    ) -> None:
        self.settings = settings
        self.granularity: Granularity = granularity
        self.sources = Sources(verifier, models)
        self.delimiter = delimiter

    def groups(self, calls: Sequence[Call]) -> list[list[Call]]:
        """Each step is refined by itself."""
        return [[call] for call in calls]

    def act(self, call: Call, run: AgentRun) -> Event:
        """Not local: a model is always waited for."""
        raise TypeError("the refiner is not local")

    async def carry_out(self, calls: Sequence[Call], run: AgentRun) -> list[Event]:
        """One critique and one rewrite."""
        (call,) = calls
        settings = self.settings.variant(call.how)
        problem = refine_problem(run.structure, call)
        if problem is not None:
            return [_failed(call, problem)]
        source = self.sources.for_node(settings, run.structure, call.nodes[0])
        if source is None:
            return [_failed(call, f"nothing gives the feedback that critique={settings.critique} wants")]
        try:
            feedback = await self.sources.ask(source, settings, call, run)
        except ModelUnreachable:  # only where the endpoint has never answered: every other call would fare the same
            raise
        except TransientModelError as error:
            return [_failed(call, str(error), spent_by(error))]
        if feedback.problem:
            return [_failed(call, feedback.problem, feedback.usage)]
        if feedback.fine:
            return [_failed(call, f"nothing to refine: {SPOKEN[feedback.source]} nothing wrong", feedback.usage)]
        return [await self._rewrite(call, run, settings, feedback)]

    async def _rewrite(self, call: Call, run: AgentRun, settings: Refine, feedback: Feedback) -> Event:
        """Ask for the new text."""
        node = call.nodes[0]
        step = run.structure.steps[node]
        whole, question = step.granularity == "solution", run.structure.task.question
        program = whole and run.structure.task.form == "code"
        free = run.structure.task.form == "text"
        request = Request(
            rewriting(run.structure.path(node), settings.prompt, feedback.words, settings.instruction),
            max_tokens=settings.max_tokens,
            temperature=settings.temperature,
            # an answer of several lines is a step, too
            stop=() if whole or (free and step.answer is not None) else (self.delimiter,),
            seed=call.seed(run.seed),
            timeout=settings.timeout,
        )
        try:
            outcome = await run.caller(settings.model).call(
                request,
                lambda choice: (
                    _free_problem(choice) if free else self._problem(choice, whole, question, program=program)
                ),
                lambda again, choice: self._again(again, choice),
            )
        except (BudgetRefused, ModelError) as error:
            transient = isinstance(error, TransientModelError) and not isinstance(error, ModelUnreachable)
            if not transient and not feedback.usage.calls:
                raise
            # a paid critique must reach the trace; a fault that lasts will meet the next call, too
            return _failed(call, str(error), feedback.usage + spent_by(error))
        usage = feedback.usage + outcome.usage
        sample = outcome.samples[0]
        if isinstance(sample, str):
            return _failed(call, sample, usage)
        return self._event(call, run, step, sample.text, feedback, usage)

    def _event(self, call: Call, run: AgentRun, step: Step, text: str, feedback: Feedback, usage: Usage) -> Event:
        """The event a rewrite makes."""
        text = split_thought(text)[1].strip()
        if step.granularity == "solution" and run.structure.task.form == "code":
            answer = written_program(text)
            same = answer is not None and step.answer is not None and answer.split() == step.answer.split()
        elif run.structure.task.form == "text":
            answer = free_text.stated(text)
            if answer is None and step.answer is not None:
                answer = free_text.tidy(text)  # it stands in an answer's place
            same = text.split() == step.text.split()
        else:
            text = cut_at_answer(text if step.granularity == "solution" else text.partition(self.delimiter)[0]).strip()
            answer, same = extract_answer(text), text.split() == step.text.split()
        if same:
            return _failed(call, "the rewrite changes nothing", usage)
        return Grown(
            op="refine",
            nodes=call.nodes,
            index=call.index,
            text=text,
            granularity=step.granularity,
            status="open" if answer is None else "terminal",
            answer=answer,
            after=refined_after(run.structure, call.nodes[0]),
            how=call.how,
            source=feedback.source,
            note=feedback.words,
            usage=usage,
        )

    def _problem(self, choice: Choice, whole: bool, question: str, *, program: bool = False) -> str | None:
        """What is wrong with a rewrite, or `None`."""
        text = split_thought(choice.text)[1].strip()
        if not text:
            return "the rewrite is empty" + (
                ": hidden reasoning used up max_tokens" if choice.finish == "length" else ""
            )
        if choice.finish == "filter":
            return "the rewrite was refused by the provider's filter"
        if program:
            if written_program(text) is None:
                cut = choice.finish == "length"
                return "the rewrite was cut at max_tokens" if cut else "the rewrite holds no program"
            return problem_with(text, question=question)
        if choice.finish == "length":
            done = cut_at_answer(text) != text and extract_answer(text) is not None
            if not (done or (not whole and self.delimiter in text)):
                return "the rewrite was cut at max_tokens"
        return problem_with(cut_at_answer(text), question=question)

    def _again(self, request: Request, choice: Choice) -> Request:
        """The second try: where a model left a blank line and so ended its step at once, begin after that line."""
        if request.stop and choice.finish == "stop" and not choice.text.strip():
            return replace(request, prefill=request.prefill + self.delimiter)
        return request


def _free_problem(choice: Choice) -> str | None:
    """What is wrong with a rewrite of free text, or `None`."""
    text = split_thought(choice.text)[1].strip()
    if choice.finish == "filter":
        return "the rewrite was refused by the provider's filter"
    if choice.finish == "length":
        return "the rewrite was cut at max_tokens"
    return problem_with(text, question="") if text else "the rewrite is empty"


def check_refine(
    settings: Refine,
    verifier: Verifier | None,
    models: Mapping[str, PolicyModel],
    strategy_name: str,
    *,
    observes: bool = True,
) -> None:
    """Refuse, before anything is paid for, to refine without the feedback that the settings ask for.

    Args:
        settings: The blueprint's settings, all variants of which are looked at.
        verifier: One that search may ask, or `None`.
        models: The models by role.
        strategy_name: Who wants to refine, for the message.
        observes: Whether nodes are enriched by tools, whose observations can be feedback.

    Raises:
        BadInput: The message says how to give feedback, or how to ask for self-critique all the same.
    """
    sources = Sources(verifier, models)
    for how in ("", *settings.variants):
        critique = settings.variant(how).critique
        if sources.for_run(settings.variant(how)) is not None and (critique != "tool" or observes):
            continue
        place = f"operators.refine.variants.{how}.critique" if how else "operators.refine.critique"
        if critique == "auto":
            raise BadInput(
                f"{strategy_name} refines, and nothing outside the policy says what is wrong: give a verifier that "
                "knows no gold answer (verifier=), or a critic model (models={'critic': ...}, --role critic=MODEL). "
                "Self-critique without outside feedback rarely helps; if you want it all the same, set "
                f"{place} to self, and none to rewrite without a critique"
            )
        needs = {
            "verifier": "a verifier that knows no gold answer (verifier=)",
            "tests": "visible code tests (verifier=verifiers.visible([...]))",
            "critic": "a critic model (models={'critic': ...}, --role critic=MODEL)",
            "tool": "a strategy that acts with tools",
        }
        raise BadInput(f"{strategy_name}: {place} is {critique}, which needs {needs[critique]}; there is none")


def _failed(call: Call, reason: str, usage: Usage = NO_USAGE) -> Failed:
    return Failed(of=call.op, nodes=call.nodes, index=call.index, how=call.how, reason=reason, usage=usage)
