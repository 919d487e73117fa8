"""What holds of every label on any run: numbers in [0, 1], origins that exist, no gold answer, no chance."""

from __future__ import annotations

import json
import re
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.drive import apply_pure, land, started
from tests.support.event_strategies import History, histories

from reflectree.rlm_ops.calls import PURE
from reflectree.rlm_ops.events import Answered
from reflectree.rlm_ops.strategies import STRATEGIES, Strategy
from reflectree.rlm_ops.trace import Trace
from reflectree.training.labels import LABELS, label
from reflectree.training.labels.annotating import steps_to_judge
from reflectree.training.labels.omega_tree import OmegaTree
from reflectree.training.labels.source import Completion, Source
from reflectree.training.samples import Labelled, Preferred, Sample, check, from_row, to_row

GOLD = "gold-5f1c"
"""Known to the judge only."""


def played(strategy: Strategy, random: Random, most: int) -> History:
    """A run of the strategy against chance, ended after so many calls as a budget would."""
    history, begun = started(strategy, seed=random.randrange(1000)), 0
    while strategy.stop(history.live) is None:
        calls = strategy.ask(history.live, 3) if begun < most else []
        if calls and calls[0].op in PURE:
            apply_pure(history, calls)
            continue
        begun += len(calls)
        for call in calls:
            history.begin(call)
        if not history.flying:
            break
        land(history, random)
    while history.flying:
        land(history, random)
    return history


def finished(history: History, random: Random) -> Trace:
    live = history.live
    if live.answered is None:
        node = random.choice([*live.terminals, -1])
        answer = live.steps[node].answer if node > 0 else None
        history.tell(Answered(node=node, answer=answer, correct=random.choice([True, False, None])))
    return Trace(history.events, run_id="run-9")


def judged(trace: Trace, seed: int) -> Source:
    """The run with a judge, completions of some prefixes, and judgements of some steps."""
    random = Random(seed)
    right = {"a": GOLD, "42": GOLD}  # what the gold answer is equal to
    source = Source.of(trace, judge=lambda answer: float(right.get(answer) == GOLD))
    rolled = {
        node: [Completion((f"then {n}", "so"), "a", random.choice([0.0, 1.0])) for n in range(random.randrange(1, 4))]
        for node in range(len(source.structure))
        if random.random() < 0.7
    }
    said = {node: random.choice([0.0, 0.5, 1.0]) for node in source.nodes if random.random() < 0.5}
    judge = lambda answer: float(right.get(answer) == GOLD)  # noqa: E731
    return Source.of(trace, judge=judge, continuations=rolled, judgements=said, split="train", round=2)


def texts(sample: Sample) -> tuple[str, ...]:
    match sample:
        case Preferred():
            return (*sample.steps, *sample.chosen, *sample.rejected)
        case _:
            return getattr(sample, "steps", ())


def hold(trace: Trace, seed: int) -> int:
    """Label a run every way, and check what must hold; how many samples there were."""
    source = judged(trace, seed)
    runs = {run.trace.run_id: run for run in (source, *source.nested())}
    made = label(source, LABELS)
    for sample in made:
        check(sample)
        origin, run = sample.origin, runs[sample.origin.trace]
        assert (origin.task, origin.split, origin.round) == (source.task, "train", 2)
        assert origin.label in LABELS
        assert type(sample).kind == LABELS[origin.label].makes
        assert origin.node == -1 or 0 <= origin.node < len(run.structure)
        assert sample.question == run.question
        assert all(text.strip() for text in texts(sample))
        if isinstance(sample, Labelled):
            assert sample.steps == run.texts(origin.node)
        assert GOLD not in json.dumps(to_row(sample))
    again = label(judged(Trace(trace.events, run_id=trace.run_id), seed), LABELS)
    assert [json.dumps(to_row(sample)) for sample in again] == [json.dumps(to_row(sample)) for sample in made]
    for entry in LABELS.values():
        if entry.wanted is not None:
            wanted = entry.wanted(source)
            assert len({node for node, _ in wanted}) == len(wanted)
            assert all(path == source.structure.path(node) for node, path in wanted)
    assert {step.node for step in steps_to_judge(source)} == set(source.nodes)
    return len(made)


REQUIRED: dict[str, dict[str, Any]] = {"team": {"members": ({"id": "a"}, {"id": "b", "reads": ("a",)})}}
"""Parameters of strategies that do not go without."""


@pytest.mark.parametrize("name", list(STRATEGIES))
def test_on_runs_of_every_strategy(name: str) -> None:
    samples = 0
    for seed in range(3):
        random = Random(seed)
        samples += hold(finished(played(STRATEGIES[name](**REQUIRED.get(name, {})), random, 60), random), seed)
    assert samples


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(histories(), st.integers(0, 99))
def test_on_any_run(history: History, seed: int) -> None:
    hold(finished(history, Random(seed)), seed)


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(histories(), st.integers(0, 99))
def test_omegas_tree_comes_to_an_end_whatever_completions_say(history: History, seed: int) -> None:
    random = Random(seed)
    tree = OmegaTree.of(judged(finished(history, random), seed), most=10)
    for _ in range(400):
        prefix = tree.ask()
        if prefix is None:
            break
        assert prefix == () or prefix not in tree.states
        lengths = [random.randrange(0, 5) for _ in range(4)]
        tree.tell(prefix, [Completion(("s",) * n, "x", random.choice([0.0, 0.0, 1.0])) for n in lengths])
    else:
        pytest.fail("it asks for ever")
    samples: list[Sample] = [*tree.valued(), *tree.labelled()]
    for sample in samples:
        assert from_row(json.loads(json.dumps(to_row(sample)))) == sample


def test_the_page_on_labels_lists_them_all_with_the_kind_they_make() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "labels.md").read_text(encoding="utf-8")
    rows = [row.split("|") for row in page.splitlines() if row.startswith("| `")]
    told = {name: row[-2] for row in rows for name in re.findall(r"`([^`]+)`", row[1])}
    assert set(told) == set(LABELS)
    for name, makes in told.items():
        assert LABELS[name].makes.capitalize() in makes
