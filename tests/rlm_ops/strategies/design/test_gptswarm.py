from __future__ import annotations

from tests.rlm_ops.strategies.design.playing import grown, of, play, scored
from tests.support.drive import apply_pure, started

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.events import Failed
from reflectree.rlm_ops.strategies.design.gptswarm import GPTSwarm, batches


def test_batches_follow_each_other_and_a_threshold_ends() -> None:
    strategy = GPTSwarm(iterations=2, batch=3)
    history, asked = play(strategy, lambda design, call: (0.5,), lambda call, live: "same", slots=8)
    hows = [call.how for call in of(asked, "generate")]
    assert hows == ["", *["batch-0"] * 3, *["batch-1"] * 3, "threshold"]
    assert batches(history.live, 2) == [[2, 3, 4], [5, 6, 7]]
    assert batches(history.live, 1) == [[2, 3, 4]]
    assert len(of(asked, "evaluate")) == 8, "a repeated sample counts again"


def test_a_batch_waits_for_the_one_before() -> None:
    strategy = GPTSwarm(iterations=2, batch=2)
    history = started(strategy)
    history.tell(grown(Call("generate", (0,)), "seed"))
    history.tell(scored(Call("evaluate", (1,)), (0.5,)))
    apply_pure(history, [Call("backpropagate", (1,))])
    one, two = strategy.ask(history.live, 4)
    history.begin(one)
    (rest,) = strategy.ask(history.live, 1)
    assert rest == two, "a batch that has begun goes on"
    history.begin(two)
    assert strategy.ask(history.live, 4) == []
    history.tell(grown(one, "a"))
    history.tell(Failed(of="generate", nodes=(0,), index=two.index, how=two.how))
    (measure,) = strategy.ask(history.live, 4)
    history.begin(measure)
    assert strategy.ask(history.live, 4) == [], "the gradient needs the batch's values"
    history.tell(scored(measure, (0.9,)))
    apply_pure(history, strategy.ask(history.live, 4))
    assert [call.how for call in strategy.ask(history.live, 4)] == ["batch-1"] * 2
