"""Hypothesis strategies: any single event, and any valid sequence of them, calls in flight included."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.events import (
    Answered,
    BackedUp,
    Backtracked,
    Began,
    Enriched,
    Evaluated,
    Event,
    Failed,
    Grown,
    Pruned,
)
from reflectree.rlm_ops.structure import ReasoningStructure
from reflectree.rlm_ops.task import Example
from reflectree.rlm_ops.usage import Usage

texts = st.text(st.characters(codec="utf-8"), max_size=20)
scores = st.floats(0, 1)
ids = st.integers(0, 50)
maybe_text = st.none() | texts
usages = st.builds(
    Usage,
    st.integers(0, 9),
    st.integers(0, 9),
    st.integers(0, 999),
    st.integers(0, 999),
    st.none() | st.floats(0, 1),
)
parents = st.lists(ids, min_size=1, max_size=3).map(tuple)
granularities = st.sampled_from(["token", "step", "solution"])
growing = st.sampled_from(["generate", "refine", "aggregate", "restructure"])
examples = st.lists(st.builds(Example, texts, st.lists(texts, max_size=2).map(tuple), texts), max_size=2).map(tuple)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | texts, lambda inner: st.dictionaries(texts, inner, max_size=2)
)


def events(seq: st.SearchStrategy[int]) -> st.SearchStrategy[Event]:
    """Any event, sound by itself."""
    return st.one_of(
        st.builds(
            Began,
            question=texts.filter(str.strip),
            context=texts,
            examples=examples,
            tools=st.lists(texts, max_size=2).map(tuple),
            task_id=texts,
            blueprint=st.dictionaries(texts, json_values, max_size=2),
            width=st.integers(1, 9),
            root_width=st.integers(1, 9),
            depth=st.integers(1, 9),
            policy=texts,
            evaluator=texts,
            verifier=texts,
            ops=st.sampled_from([("generate",), ("refine",), ("generate", "refine")]),
            backup=st.sampled_from([{}, {"rule": "max"}]),
            form=st.sampled_from(["line", "code"]),
            seed=st.integers(),
            oracle=st.booleans(),
            seq=seq,
        ),
        st.builds(
            Grown,
            op=growing,
            nodes=parents,
            index=ids,
            node=ids,
            text=texts,
            granularity=granularities,
            status=st.sampled_from(["open", "terminal"]),
            answer=maybe_text,
            after=st.integers(-1, 50),
            prior=st.none() | scores,
            confidence=st.none() | scores,
            how=texts,
            source=texts,
            note=texts,
            run=texts,
            usage=usages,
            seq=seq,
        ),
        st.builds(
            Evaluated,
            node=ids,
            index=ids,
            value=scores,
            against=st.integers(-1, 50),
            aside=st.booleans(),
            how=texts,
            source=texts,
            note=texts,
            usage=usages,
            seq=seq,
        ),
        st.builds(BackedUp, node=ids, value=scores, seq=seq),
        st.builds(Pruned, nodes=parents, reason=texts, seq=seq),
        st.builds(Backtracked, node=ids, to=ids, reason=texts, seq=seq),
        st.builds(
            Enriched,
            node=ids,
            text=texts,
            status=st.sampled_from(["", "terminal", "failed"]),
            answer=maybe_text,
            how=texts,
            source=texts,
            note=texts,
            usage=usages,
            index=ids,
            seq=seq,
        ),
        st.builds(
            Failed,
            of=growing,
            nodes=parents,
            index=ids,
            how=texts,
            aside=st.booleans(),
            reason=texts,
            usage=usages,
            seq=seq,
        ),
        st.builds(
            Answered,
            node=st.integers(-1, 50),
            answer=maybe_text,
            score=st.none() | st.floats(allow_nan=False),
            stop_reason=texts,
            selection=texts,
            correct=st.none() | st.booleans(),
            in_structure=st.none() | st.booleans(),
            seq=seq,
        ),
    )


class History:
    """A valid trace that grows by random moves, beside the live structure it is told to."""

    def __init__(self, width: int, root_width: int, depth: int, ops: tuple[str, ...] = ("generate",)) -> None:
        self.live = ReasoningStructure()
        self.events: list[Event] = []
        self.flying: list[Call] = []
        self.tell(Began(question="What?", width=width, root_width=root_width, depth=depth, ops=ops))

    def tell(self, event: Event) -> None:
        numbered: dict[str, Any] = {"seq": len(self.events)}
        if isinstance(event, Grown):
            numbered["node"] = len(self.live)
        fields = {name: getattr(event, name) for name in type(event).__dataclass_fields__ if name != "op"}
        if isinstance(event, Grown):
            fields["op"] = event.op
        event = type(event)(**{**fields, **numbered})
        self.live.apply(event)
        self.events.append(event)

    def begin(self, call: Call) -> None:
        self.live.begin(call)
        self.flying.append(call)


MOVES = ("begin generate", "begin evaluate", "aggregate", "settle", "settle", "settle", "cancel", "back up", "prune")
OTHER = ("backtrack", "enrich", "re-evaluate", "compare", "observe", "refine")


@st.composite
def histories(draw: st.DrawFn, *, others: bool = True, land: bool = True) -> History:
    """Any valid history; with `land`, one in which nothing is left in flight."""
    ops = (
        draw(st.sampled_from([("generate",), ("generate",), ("refine",), ("generate", "refine")]))
        if others
        else ("generate",)
    )
    history = History(draw(st.integers(1, 3)), draw(st.integers(1, 4)), draw(st.integers(1, 4)), ops)
    moves = draw(st.lists(st.sampled_from(MOVES + OTHER if others else MOVES), max_size=40))
    for move in moves:
        _move(draw, history, move)
    while land and history.flying:
        _settle(draw, history)
    return history


def _move(draw: st.DrawFn, history: History, move: str) -> None:
    live = history.live
    node = draw(st.integers(0, len(live) - 1))
    if move == "begin generate" and live.can_grow(node):
        history.begin(Call("generate", (node,), live.next_index("generate", (node,))))
    elif move == "begin evaluate" and live.unscored:
        history.begin(Call("evaluate", (draw(st.sampled_from(list(live.unscored))),)))
    elif move == "re-evaluate" and node and live.evaluations[node]:
        history.begin(Call("evaluate", (node,), live.next_index("evaluate", (node,))))
    elif move == "aggregate" and len(live) > 2:
        nodes = tuple(draw(st.lists(st.integers(1, len(live) - 1), min_size=2, max_size=3, unique=True)))
        history.begin(Call("aggregate", nodes, live.next_index("aggregate", nodes)))
    elif move == "settle" and history.flying:
        _settle(draw, history)
    elif move == "cancel" and history.flying:
        live.cancel(history.flying.pop(draw(st.integers(0, len(history.flying) - 1))))
    elif move == "back up" and live.unbacked:
        at = draw(st.sampled_from(list(live.unbacked)))
        history.tell(BackedUp(node=at, value=live.unbacked[at][0]))
    elif move == "prune" and node:
        history.tell(Pruned(nodes=(node,), reason="weak"))
    elif move == "backtrack":
        history.tell(Backtracked(node=node, to=0))
    elif move == "enrich":
        changes = live.steps[node].status in ("open", "terminal") and node
        statuses: list[Any] = ["", "", "terminal", "failed"] if changes else [""]
        status = draw(st.sampled_from(statuses))
        index = live.next_index("enrich", (node,))
        history.tell(Enriched(node=node, text="better", status=status, index=index))
    elif move == "compare" and len(live) > 2:
        pair = tuple(draw(st.lists(st.integers(1, len(live) - 1), min_size=2, max_size=2, unique=True)))
        history.begin(Call("evaluate", pair, live.next_index("evaluate", pair)))
    elif move == "observe" and live.evaluations[node]:
        history.begin(Call("evaluate", (node,), live.next_index("evaluate", (node,)), "finished"))
    elif move == "refine" and node and live.can_grow(node):
        history.begin(Call("refine", (node,), live.next_index("refine", (node,))))


def _settle(draw: st.DrawFn, history: History) -> None:
    """Let one call in flight come to its event; at times it fails."""
    call = history.flying.pop(draw(st.integers(0, len(history.flying) - 1)))
    usage = Usage(1, 0, 3, 2, 0.0)
    if draw(st.integers(0, 4)) == 0:
        aside = call.how == "finished"
        history.tell(Failed(of=call.op, nodes=call.nodes, index=call.index, aside=aside, reason="empty", usage=usage))
    elif call.op == "evaluate":
        value = draw(st.sampled_from([0.0, 0.25, 0.5, 1.0]))
        node, *others = call.nodes
        history.tell(
            Evaluated(
                node=node,
                index=call.index,
                value=value,
                against=others[0] if others else -1,
                aside=call.how == "finished",
                how=call.how,
                usage=usage,
            )
        )
    else:
        done = draw(st.integers(0, 2)) == 0
        history.tell(
            Grown(
                op=call.op,  # type: ignore[arg-type]
                nodes=call.nodes,
                index=call.index,
                after=history.live.after[call.nodes[0]] if call.op == "refine" else -1,
                text=f"step {len(history.live)}",
                status="terminal" if done else "open",
                answer="42" if done else None,
                usage=usage,
            )
        )
