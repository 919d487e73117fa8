from __future__ import annotations

from tests.rlm_ops.strategies.design.playing import grown, of, play, scored
from tests.support.drive import started

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.strategies.design.adas import ADAS
from reflectree.rlm_ops.structure import ReasoningStructure


def new(call: Call, live: ReasoningStructure) -> str:
    return str(len(live))


def test_a_generation_is_made_in_view_of_a_few_in_ascending_order() -> None:
    history, asked = play(ADAS(initial=5, generations=4, parents=3), lambda d, call: (int(d) / 100,), new)
    merges = of(asked, "aggregate")
    assert len(merges) == 4
    for call in merges:
        values = [history.live.value(node) or 0.0 for node in call.nodes]
        assert len(call.nodes) == 3
        assert values == sorted(values)


def test_a_tournament_of_all_takes_the_best() -> None:
    history, asked = play(ADAS(initial=6, generations=1, tournament=99), lambda d, call: (int(d) / 100,), new)
    assert of(asked, "aggregate")[0].nodes == (4, 5, 6)
    assert len(history.live) == 8


def test_what_does_not_work_is_repaired_a_few_times() -> None:
    def worth(design: str, call: Call) -> tuple[float, ...]:
        return (0.5 if int(design) <= 2 else 0.0,)

    _, asked = play(ADAS(initial=2, generations=1, debug=3), worth, new)
    assert [(call.nodes, call.how) for call in of(asked, "refine")] == [((n,), "debug") for n in (3, 4, 5)]
    _, asked = play(ADAS(initial=2, generations=1, debug=0), worth, new)
    assert not of(asked, "refine")


def test_an_archive_of_one_is_filled_from_the_task_first() -> None:
    strategy = ADAS(initial=1, generations=2)
    history = started(strategy)
    history.tell(grown(Call("generate", (0,)), "seed"))
    history.tell(scored(Call("evaluate", (1,)), (0.5,)))
    history.live.unbacked.clear()
    assert strategy.ask(history.live, 4) == [Call("generate", (0,), 1)]
    _, asked = play(strategy, lambda d, call: (0.5,), new)
    assert [call.op for call in asked if call.op != "evaluate"] == ["generate", "generate", "aggregate"]
