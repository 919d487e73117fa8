"""Benchmarks: equal tokens, resumable by task, honest about gains."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from hypothesis import given
from hypothesis import strategies as st
from tests.support.engine import digest

from reflectree.graphs.benching import BenchFile, Outcome, Report, Settings, at_equal_tokens, bench, line_up, report
from reflectree.graphs.benching.report import sign_test
from reflectree.graphs.blueprints import load
from reflectree.graphs.memory.access import Memory
from reflectree.graphs.tasksets import TaskSet, load_taskset
from reflectree.memory import NumpyStore
from reflectree.memory.ledger import Ledger
from reflectree.memory.records import Origin, Reflection
from reflectree.models.base import Capabilities, Request
from reflectree.models.fakes import Script
from reflectree.rlm_ops.errors import BadInput, ModelError, ModelRejected, RunLocked, TraceError
from reflectree.rlm_ops.step import Path as StepPath
from reflectree.testing import ScriptedPolicy

SMALL = {"operators.generate.max_tokens": 20}
NAMES = ("cot", "mcts", "self-consistency", "best-of-n")


@pytest.fixture
def tasks(tmp_path: Path) -> TaskSet:
    return task_file(tmp_path, 2)


def task_file(folder: Path, count: int) -> TaskSet:
    file = folder / f"tasks{count}.jsonl"
    rows = [{"id": f"t{n}", "question": f"Double {n}", "answer": str(2 * n)} for n in range(count)]
    file.write_text("\n".join(map(json.dumps, rows)))
    return load_taskset(str(file))


def doubles(request: Request, sample: int) -> str:
    """Right now and then, a step first where steps are asked for: it depends on the request alone."""
    number, drawn = int(request.messages[-1].content.split()[-1]), digest(request.seed, request.prefill)
    if request.stop and not request.prefill:
        return f"thinking {drawn % 100}"
    return f"Answer: {2 * number + drawn % 3}"


def speaker(say: Script = doubles, **options: Any) -> ScriptedPolicy:
    """One sample a request, so that each has its own seed."""
    return ScriptedPolicy(say, **{"capabilities": Capabilities(prefill=True), **options})


def half(path: StepPath) -> float:
    return 0.5


def small(*names: str) -> list[Any]:
    return [load(name).with_overrides(SMALL) for name in names]


def run(tasks: TaskSet, policy: ScriptedPolicy | None = None, **options: Any) -> Report:
    given = {"tokens": 400, "evaluator": half, **options}
    return bench(tasks, small(*NAMES), policy=policy or speaker(), **given)


def test_sampling_blueprints_lose_every_end_but_the_cap() -> None:
    for name in ("self-consistency", "best-of-n"):
        assert at_equal_tokens(load(name)).scheme.strategy.model_dump()["n"] is None
    for name in ("cot", "mcts"):
        assert at_equal_tokens(load(name)) == load(name)


def test_the_baselines_always_join_in() -> None:
    assert [plan.name for plan in line_up(["mcts"])] == ["mcts", "self-consistency", "best-of-n"]
    assert [plan.name for plan in line_up(["best-of-n", "cot", "cot"])] == ["best-of-n", "cot", "self-consistency"]
    changed = load("best-of-n").with_overrides(SMALL)
    assert line_up([changed])[0].operators.generate.max_tokens == 20


def test_two_blueprints_of_one_name_are_refused() -> None:
    with pytest.raises(BadInput, match="two different blueprints are named 'cot': rename one"):
        line_up(["cot", *small("cot")])


def test_every_blueprint_spends_its_tokens_and_none_more(tasks: TaskSet) -> None:
    found = run(tasks)
    assert (found.n, found.complete) == (2, True)
    rows = {row.blueprint: row for row in found.rows}
    assert list(rows) == list(NAMES)
    for name in ("mcts", "self-consistency", "best-of-n"):
        assert 400 - 130 < rows[name].tokens <= 400  # the most that one more call may cost
        assert rows[name].stop_reasons == {"budget:tokens": 2}
    assert rows["cot"].calls == 1
    for row in found.rows:
        assert row.tokens == row.prompt_tokens + row.completion_tokens
        assert row.accuracy.low <= row.accuracy.estimate == row.selected <= row.accuracy.high
        assert row.selected <= row.in_structure


def test_a_budget_too_small_for_many_samples_at_once_still_buys_some(tasks: TaskSet) -> None:
    found = bench(tasks, ["mcts"], policy=speaker(), tokens=2000, evaluator=half)
    assert {row.blueprint: row.tokens > 700 for row in found.rows} == dict.fromkeys(NAMES[1:], True)


def test_the_same_figures_again(tasks: TaskSet) -> None:
    def bare(found: Report) -> list[Outcome]:
        return [replace(outcome, wall_s=0) for outcome in found.outcomes]

    assert bare(run(tasks)) == bare(run(tasks))


def test_what_the_file_holds_is_not_paid_again(tasks: TaskSet, tmp_path: Path) -> None:
    out, seen = tmp_path / "out.jsonl", list[Outcome]()
    first = run(tasks, out=out, on_outcome=lambda outcome, _: seen.append(outcome))
    assert len(seen) == 8
    silent = speaker()
    assert run(tasks, silent, out=out) == first
    assert silent.samples == 0
    assert len(out.read_text().splitlines()) == 9


@pytest.mark.parametrize("lines", [1, 4, 6])
@pytest.mark.parametrize("cut", [0, 7])
def test_an_interrupted_file_goes_on(lines: int, cut: int, tasks: TaskSet, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    whole = run(tasks, out=out)
    content = out.read_bytes().splitlines(keepends=True)
    out.write_bytes(b"".join(content[:lines]) + content[lines][:cut])
    damaged, again = list[bool](), list[Outcome]()
    found = run(
        tasks,
        out=out,
        on_begin=lambda file: damaged.append(file.damaged),
        on_outcome=lambda outcome, _: again.append(outcome),
    )
    assert damaged == [cut > 0]
    assert len(again) == 9 - lines
    assert [replace(o, wall_s=0) for o in found.outcomes] == [replace(o, wall_s=0) for o in whole.outcomes]
    assert all(json.loads(line) for line in out.read_text().splitlines())


def test_a_file_cut_in_its_header_is_begun_anew(tasks: TaskSet, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    run(tasks, out=out)
    out.write_bytes(out.read_bytes()[:30])
    assert run(tasks, out=out).complete
    assert len(out.read_text().splitlines()) == 9


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"seed": 1}, "seed 0, not 1"),
        ({"tokens": 500}, "tokens 400, not 500"),
        ({"concurrency": 2}, "concurrency 8, not 2"),
        ({"evaluator": lambda path: 0.1}, "evaluator '"),
        ({"policy": speaker(name="other")}, "model 'scripted', not 'other'"),
    ],
)
def test_a_file_of_other_settings_is_left_alone(
    options: dict[str, Any], named: str, tasks: TaskSet, tmp_path: Path
) -> None:
    out = tmp_path / "out.jsonl"
    run(tasks, out=out)
    before = out.read_bytes()
    with pytest.raises(TraceError, match="holds another benchmark") as refusal:
        run(tasks, **{"out": out, **options})
    assert named in str(refusal.value)
    assert "use another --out file" in str(refusal.value)
    assert out.read_bytes() == before


def test_other_tasks_and_other_blueprints_are_other_settings(tasks: TaskSet, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    run(tasks, out=out)
    with pytest.raises(TraceError, match="tasks 2, not 3"):
        run(task_file(tmp_path, 3), out=out)
    changed = load("cot").with_overrides({"operators.generate.max_tokens": 21})
    with pytest.raises(TraceError, match="settings of cot"):
        bench(tasks, [changed, *small(*NAMES[1:])], policy=speaker(), tokens=400, evaluator=half, out=out)
    with pytest.raises(TraceError, match=r"blueprints cot,mcts,self-consistency,best-of-n, not mcts,"):
        bench(tasks, small(*NAMES[1:]), policy=speaker(), tokens=400, evaluator=half, out=out)


@pytest.mark.parametrize(
    "content", ["precious notes\n", "precious", '{"format": "reflectree-trace"}\n', "[1]\n", "\xff\n"]
)
def test_somebody_elses_file_is_left_alone(content: str, tasks: TaskSet, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    out.write_text(content, encoding="latin-1")
    with pytest.raises(BadInput, match="holds no benchmark, and nothing was changed"):
        run(tasks, out=out)
    assert out.read_text(encoding="latin-1") == content


def test_a_damaged_line_in_the_middle_is_named(tasks: TaskSet, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    run(tasks, out=out)
    lines = out.read_text().splitlines()
    out.write_text("\n".join([*lines[:3], lines[3][:20], *lines[4:]]) + "\n")
    with pytest.raises(TraceError, match="line 4 is damaged"):
        run(tasks, out=out)


def test_an_unwritable_file_and_a_locked_one_are_refused_before_anything_is_paid(
    tasks: TaskSet, tmp_path: Path
) -> None:
    policy = speaker()
    with pytest.raises(BadInput, match="there is no folder"):
        run(tasks, policy, out=tmp_path / "nowhere" / "out.jsonl")
    with pytest.raises(BadInput, match="cannot write"):
        run(tasks, policy, out=tmp_path)
    with FileLock(f"{tmp_path}/out.jsonl.lock"), pytest.raises(RunLocked, match="another process is adding to"):
        run(tasks, policy, out=tmp_path / "out.jsonl")
    assert policy.samples == 0


def test_tasks_nobody_can_judge_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "tasks.jsonl"
    file.write_text('{"id": "a", "question": "2 + 2?", "answer": 4}\n{"id": "b", "question": "Why?"}\n')
    policy = speaker()
    with pytest.raises(BadInput, match=r"task b of .* has no answer and no verifier"):
        run(load_taskset(str(file)), policy)
    assert policy.samples == 0


def test_bad_settings_are_refused_before_anything_is_paid(tasks: TaskSet, tmp_path: Path) -> None:
    policy, out = speaker(), tmp_path / "out.jsonl"
    for options in ({"tokens": -1}, {"concurrency": 0}, {"evaluator": "nonsense"}):
        with pytest.raises(BadInput):
            run(tasks, policy, out=out, **options)
    with pytest.raises(BadInput, match="unknown blueprint 'mcst'"):
        bench(tasks, ["mcst"], policy=policy, tokens=400, out=out)
    assert policy.samples == 0
    assert not out.exists()


def test_a_model_that_gives_up_ends_the_benchmark_and_keeps_what_is_done(tasks: TaskSet, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"

    def fails_later(request: Request, sample: int) -> str | Exception:
        return ModelRejected("the key has expired", 401) if sample >= 20 else doubles(request, sample)

    with pytest.raises(ModelError):
        run(tasks, speaker(fails_later), out=out)
    kept = [json.loads(line) for line in out.read_text().splitlines()[1:]]
    assert kept
    assert not any(row["stop_reason"].startswith("model:") for row in kept)
    assert run(tasks, out=out).complete


def test_no_task_is_begun_that_would_end_too_late(tmp_path: Path) -> None:
    found = run(task_file(tmp_path, 9), speaker(latency=0.1), seconds=0.5)
    assert 1 <= found.n < 9
    assert not found.complete
    assert len(found.outcomes) == 4 * found.n


def test_models_given_as_objects_stay_open(tasks: TaskSet) -> None:
    policy = speaker()
    run(tasks, policy)
    assert not policy.closed
    run(tasks, policy, close=True)
    assert policy.closed


# The report


def settings(*names: str, tasks: int) -> Settings:
    return Settings(
        taskset="set",
        digest="d",
        tasks=tasks,
        model="m",
        tokens=100,
        seed=0,
        concurrency=1,
        blueprints=dict.fromkeys(names, "x"),
        reflectree="0",
    )


def outcome(blueprint: str, task: int, correct: bool | None, **changes: Any) -> Outcome:
    made = Outcome(
        blueprint=blueprint,
        task=str(task),
        correct=correct,
        in_structure=correct,
        answer="1",
        stop_reason="complete",
        calls=2,
        failed_calls=1,
        prompt_tokens=30,
        completion_tokens=12,
        usd=0.5,
        nodes=3,
        wall_s=1.0,
    )
    return replace(made, **changes)


def compared(ours: Sequence[bool], theirs: Sequence[bool]) -> Report:
    rows = [outcome("search", n, right) for n, right in enumerate(ours)]
    rows += [outcome(name, n, right) for name in ("self-consistency", "best-of-n") for n, right in enumerate(theirs)]
    return report(settings("search", "self-consistency", "best-of-n", tasks=len(ours)), rows)


def test_a_gain_needs_an_interval_without_zero() -> None:
    clear = compared([True] * 12, [False] * 12)
    assert [(d.blueprint, d.baseline, d.verdict) for d in clear.differences] == [
        ("search", "self-consistency", "gain"),
        ("search", "best-of-n", "gain"),
    ]
    assert {d.verdict for d in compared([False] * 12, [True] * 12).differences} == {"loss"}
    equal = compared([True, False] * 10, [False, True] * 10).differences[0]
    assert (equal.verdict, equal.wins, equal.losses, equal.p) == ("no gain", 10, 10, 1.0)
    assert equal.accuracy.low < 0 < equal.accuracy.high


def test_a_bootstrap_over_few_tasks_is_not_believed_alone() -> None:
    lucky = compared([True] * 4, [False] * 4).differences[0]
    assert lucky.accuracy.low == 1.0
    assert (lucky.p, lucky.verdict) == (0.125, "no gain")


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=30))
def test_a_verdict_never_contradicts_its_interval(pairs: list[tuple[bool, bool]]) -> None:
    difference = compared([a for a, _ in pairs], [b for _, b in pairs]).differences[0]
    inside = difference.accuracy.low <= 0 <= difference.accuracy.high
    assert not (inside and difference.verdict != "no gain")
    assert difference.wins - difference.losses == pytest.approx(difference.accuracy.estimate * len(pairs))


def test_the_sign_test_is_exact() -> None:
    assert sign_test(0, 0) == 1.0
    assert sign_test(6, 0) == pytest.approx(2 / 64)
    assert sign_test(1, 5) == sign_test(5, 1) == pytest.approx(2 * 7 / 64)


def test_only_tasks_that_all_have_done_are_counted() -> None:
    rows = [outcome("cot", n, True) for n in range(3)]
    rows += [outcome(name, n, False) for name in ("self-consistency", "best-of-n") for n in range(2)]
    found = report(settings("cot", "self-consistency", "best-of-n", tasks=3), rows)
    assert (found.n, found.complete, {row.n for row in found.rows}) == (2, False, {2})
    assert found.differences == ()
    assert len(found.outcomes) == 7


def test_figures_of_a_row() -> None:
    rows = [
        outcome("self-consistency", 0, False, in_structure=True),
        outcome("self-consistency", 1, None, in_structure=None, usd=None),
    ]
    row = report(settings("self-consistency", tasks=2), rows).rows[0]
    assert (row.selected, row.in_structure, row.unjudged) == (0.0, 0.5, 1)
    assert (row.tokens, row.calls, row.failed_calls, row.usd) == (42, 2, 1, None)
    assert row.accuracy.high > 0.5


def test_nothing_done_is_no_figure() -> None:
    found = report(settings("cot", "best-of-n", tasks=2), [])
    assert (found.n, found.differences) == (0, ())
    assert (found.rows[0].accuracy.low, found.rows[0].accuracy.high) == (0.0, 1.0)
    json.dumps(found.to_json(), allow_nan=False)


def test_outcomes_survive_their_file(tmp_path: Path) -> None:
    made = settings("cot", tasks=1)
    told = outcome("cot", 0, None, answer="\ud800 odd \u2028 text\n")
    with BenchFile.open(tmp_path / "out.jsonl", made) as file:
        file.add(told)
    with BenchFile.open(tmp_path / "out.jsonl", made) as file:
        assert file.done == [told]
    assert not (tmp_path / "out.jsonl.lock").exists()
    assert asdict(told).keys() == {spec for spec in Outcome.__slots__}


def test_a_file_from_before_there_was_memory_goes_on(tasks: TaskSet, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    first = run(tasks, out=out)
    header = json.loads(out.read_text().splitlines()[0])
    assert "memory" not in header
    silent = speaker()
    assert run(tasks, silent, out=out) == first
    assert silent.samples == 0


def test_only_a_memory_that_says_otherwise_is_written_into(tasks: TaskSet, tmp_path: Path) -> None:
    book = Ledger(store=NumpyStore(index={"embed": "hashing", "fields": ["text"]}))
    book.write(Reflection(lesson="Double it.", origin=Origin(source="user")))
    seq, out = book.state.seq, tmp_path / "out.jsonl"
    policy = ScriptedPolicy("Answer: 2")
    found = bench(tasks, small("cot"), tokens=400, policy=policy, evaluator=half, memory=book, out=out)
    assert book.state.seq == seq
    assert found.settings.memory == f"memory@{seq}"
    assert any("Double it." in message.content for request in policy.requests for message in request.messages)
    with pytest.raises(TraceError, match="memory 'memory@0', not None"):
        bench(tasks, small("cot"), tokens=400, policy=policy, evaluator=half, out=out)
    bench(tasks, small("cot"), tokens=400, policy=policy, evaluator=half, memory=Memory(book))
    assert book.state.seq > seq


def test_a_benchmark_wants_a_memory_that_is_there(tasks: TaskSet, tmp_path: Path) -> None:
    policy = speaker()
    with pytest.raises(BadInput, match="there is no memory at"):
        run(tasks, policy, memory=tmp_path / "none")
    assert policy.samples == 0
    assert not (tmp_path / "none").exists()
