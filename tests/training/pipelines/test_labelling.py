"""Labels of finished runs: what they need is got once, and what cannot be judged is not wrong."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.training.pipelines.rig import SPLITS, made, say, tasks

from reflectree.models.fakes import ScriptedPolicy
from reflectree.rlm_ops.errors import BadInput, VerifierError
from reflectree.rlm_ops.task import Task
from reflectree.rlm_ops.trace import Trace
from reflectree.training.buffer import ReplayBuffer
from reflectree.training.labels import annotating, monte_carlo
from reflectree.training.labels.source import Source
from reflectree.training.pipelines.labelling import Labelling, traces_in
from reflectree.training.pipelines.relabel import alabel, annotated_by
from reflectree.training.samples import Labelled, Solution
from reflectree.training.splits import Splits


@dataclass(frozen=True)
class Picky:
    """Cannot judge one answer."""

    name: str = "picky"
    gold: bool = True

    def score(self, answer: str) -> float:
        if answer == "2":
            raise VerifierError("cannot judge it")
        return float(answer == "1")


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("job")
    made(folder, 4, blueprint="mcts")
    return folder


def first(job: Path) -> Trace:
    """A trace with a step before its answer."""
    return next(trace for _, trace in traces_in(job) if monte_carlo.wanted(Source.of(trace)))


def harm(folder: Path) -> None:
    for file in folder.iterdir():
        file.write_text("{")


async def test_an_answer_that_cannot_be_judged_has_no_label(job: Path) -> None:
    labelling = Labelling(["outcome"])
    for _, trace in traces_in(job):
        answers = {step.answer for step in Source.of(trace).structure.steps if step.answer is not None}
        found = await labelling.samples(trace, verifier=Picky())
        solutions = [sample for sample in found if isinstance(sample, Solution)]
        assert {sample.answer for sample in solutions} == answers - {"2"}
        assert all(sample.reward == float(sample.answer == "1") for sample in solutions)


async def test_completions_are_made_once_and_of_as_many_as_asked_for(job: Path, tmp_path: Path) -> None:
    trace, verifier = first(job), tasks(1)[0].verifier
    policy = ScriptedPolicy(say)
    three = Labelling(["math-shepherd/soft"], policy=policy, rollouts=3, folder=tmp_path)
    found = await three.samples(trace, verifier=verifier)
    paid = len(policy.requests)
    assert paid > 0
    assert all(request.n == 3 for request in policy.requests)
    assert await three.samples(trace, verifier=verifier) == found
    assert len(policy.requests) == paid
    two = Labelling(["math-shepherd/soft"], policy=policy, rollouts=2, folder=tmp_path)
    await two.samples(trace, verifier=verifier)
    assert len(policy.requests) == 2 * paid
    harm(tmp_path)
    with pytest.raises(BadInput, match="is damaged: remove it"):
        await three.samples(trace, verifier=verifier)
    with pytest.raises(BadInput, match="--taskset"):
        await Labelling(["math-shepherd/soft"], policy=policy, folder=tmp_path / "new").samples(trace)


async def test_judgements_of_people(job: Path, tmp_path: Path) -> None:
    trace = first(job)
    source = Source.of(trace)
    judged = annotating.blank(source)
    for node in source.nodes:
        judged = annotating.with_judgement(judged, source, {"node": node, "verdict": "right"})
    file = annotating.save(judged, tmp_path / "judged.json")
    found = await Labelling(["human"], annotated=annotated_by({trace.run_id: file})).samples(trace)
    assert found
    assert all(isinstance(sample, Labelled) and set(sample.labels) == {1.0} for sample in found)
    other = next(other for _, other in traces_in(job) if other.run_id != trace.run_id)
    assert await Labelling(["human"], annotated=annotated_by({})).samples(other) == []
    with pytest.raises(BadInput, match="annotations are of run"):
        await Labelling(["human"], annotated=annotated_by({other.run_id: file})).samples(other)


async def test_a_folder_into_a_buffer_without_test_tasks(job: Path, tmp_path: Path) -> None:
    given: list[Task] = tasks(4)
    buffer = ReplayBuffer(tmp_path / "buffer", splits=SPLITS)
    seen: list[str] = []
    labelling = Labelling(["outcome"])
    report = await alabel(
        traces_in(job), buffer, labelling, tasks=given, round=4, on_trace=lambda path, n: seen.append(path.stem)
    )
    assert (report.traces, report.refused, len(seen)) == (4, 0, 4)
    assert buffer.rounds == [4]
    again = await alabel(traces_in(job), buffer, labelling, tasks=given)
    assert (again.added.stored.total(), again.added.duplicates > 0) == (0, True)
    strict = ReplayBuffer(tmp_path / "strict", splits=Splits(valid=0, test=0.99))
    held = await alabel(traces_in(job), strict, labelling)
    assert held.refused + held.traces == 4
    assert held.refused >= 3


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no trace in"):
        list(traces_in(tmp_path))
    with pytest.raises(BadInput, match="no label"):
        Labelling([])
    with pytest.raises(BadInput, match="give the model that writes them"):
        Labelling(["omegaprm"])
