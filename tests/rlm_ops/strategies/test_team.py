"""A team's members write in the order of its graph, go on with what came, and only final answers are selected from."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from tests.support.drive import PAID, apply_pure, drive, started
from tests.support.event_strategies import History

from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.calls import PURE, Call
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.events import Failed, Grown
from reflectree.rlm_ops.strategies.members import Member, in_order, longest_chain, readers, sinks
from reflectree.rlm_ops.strategies.team import Convened, Team


def team(*members: tuple[str, str], **options: Any) -> Team:
    """A team of members written as ("c", "a b"): c reads a and b."""
    return Team(members=tuple(Member(id=name, reads=tuple(reads.split())) for name, reads in members), **options)


DIAMOND = (("d", "b c"), ("a", ""), ("b", "a"), ("c", "a"))


def land(history: History, call: Call, *, fails: bool = False, answer: str | None = "42") -> None:
    """Let a call come to a message, or to nothing."""
    history.begin(call)
    history.flying.remove(call)
    if fails:
        history.tell(Failed(of=call.op, nodes=call.nodes, index=call.index, how=call.how, usage=PAID))
        return
    history.tell(
        Grown(
            op=call.op,  # type: ignore[arg-type]
            nodes=call.nodes,
            index=call.index,
            how=call.how,
            text=f"message {len(history.live)}",
            status="open" if answer is None else "terminal",
            answer=answer,
            after=0,
            usage=PAID,
        )
    )


def play(strategy: Convened, *, fails: tuple[str, ...] = (), mute: tuple[str, ...] = ()) -> tuple[History, list[str]]:
    """Play to the end, one call at a time: members that fail, and those who give no answer, by name."""
    history, asked = started(strategy), []
    members = strategy.team()
    while calls := strategy.ask(history.live, 8):
        if calls[0].op in PURE:
            apply_pure(history, calls)
            continue
        name = members[calls[0].index].id
        asked.append(f"{name} {calls[0].op} {','.join(map(str, calls[0].nodes))}")
        land(history, calls[0], fails=name in fails, answer=None if name in mute else "42")
    return history, asked


def test_members_write_once_all_they_read_has_come() -> None:
    history, asked = play(team(*DIAMOND))
    assert asked == ["a generate 0", "b aggregate 1", "c aggregate 1", "d aggregate 2,3"]
    live = history.live
    assert live.hows == ["", "a", "b", "c", "d"]
    assert live.parents[4] == (2, 3)
    assert list(live.terminals) == [4]


def test_those_who_wait_for_nobody_write_side_by_side_within_the_slots() -> None:
    strategy = team(("a", ""), ("b", ""), ("c", ""), ("d", "a b c"))
    live = started(strategy).live
    assert strategy.ask(live, 2) == [Call("generate", (0,), 0, "a"), Call("generate", (0,), 1, "b")]
    assert strategy.ask(live, 0) == []
    assert [call.how for call in strategy.ask(live, 9)] == ["a", "b", "c"]


def test_a_member_goes_on_with_the_messages_that_came() -> None:
    strategy = team(("a", ""), ("b", ""), ("c", "a b"), ("d", "c"))
    history, asked = play(strategy, fails=("a",))
    assert asked == ["a generate 0", "b generate 0", "c aggregate 1", "d aggregate 2"]
    assert list(history.live.terminals) == [3]


def test_where_nothing_came_nothing_is_asked_and_what_there_is_stays() -> None:
    strategy = team(("a", ""), ("b", "a"), ("c", "b"), ("e", ""), ("f", "c e"))
    history, asked = play(strategy, fails=("b",))
    assert asked == ["a generate 0", "b aggregate 1", "e generate 0", "f aggregate 2"]
    assert strategy.standing(history.live).silent == {"b", "c"}
    history, asked = play(team(("a", ""), ("b", "a")), fails=("b",))
    assert list(history.live.terminals) == [1], "an answer on the way is better than none"
    history, asked = play(team(("a", ""), ("b", "a")), fails=("a", "b"))
    assert asked == ["a generate 0"]
    assert not history.live.terminals


def test_a_message_without_an_answer_is_read_but_supersedes_nothing() -> None:
    history, asked = play(team(("a", ""), ("b", "a"), ("c", "b")), mute=("b", "c"))
    assert len(asked) == 3
    assert list(history.live.terminals) == [1]
    history, _ = play(team(("a", ""), ("b", "a"), ("c", "b")), mute=("b",))
    assert list(history.live.terminals) == [3]


def test_an_answer_is_superseded_only_once_all_its_readers_are_done() -> None:
    strategy = team(("a", ""), ("b", "a"), ("c", "a"))
    history = started(strategy)
    land(history, strategy.ask(history.live, 1)[0])
    land(history, strategy.ask(history.live, 1)[0])
    (call,) = strategy.ask(history.live, 8)
    assert (call.op, call.how) == ("aggregate", "c")
    land(history, call, fails=True)
    (call,) = strategy.ask(history.live, 8)
    assert (call.op, call.nodes, call.reason) == ("prune", (1,), "superseded")


def test_named_final_members_count_and_no_others() -> None:
    history, _ = play(team(("a", ""), ("b", "a"), ("c", "a"), final=("a", "c")))
    assert list(history.live.terminals) == [1, 3]
    history, _ = play(team(("a", ""), ("b", "a"), ("c", "a"), final=("c",)), fails=("c",))
    assert list(history.live.terminals) == [2], "no final message came"


def test_turns_and_tokens_end_it_with_what_there_is() -> None:
    history, asked = play(team(*DIAMOND, turns=3))
    assert len(asked) == 3
    assert list(history.live.terminals) == [2, 3]
    assert PAID.tokens == 5
    history, asked = play(team(*DIAMOND, tokens=6))
    assert asked == ["a generate 0", "b aggregate 1"]


def test_members_of_one_variant_are_told_apart_by_what_they_read() -> None:
    both = (Member(id="a", variant="v"), Member(id="b", variant="v"))
    strategy = Team(members=(*both, Member(id="c", variant="w", reads=("a", "b"))))
    history = started(strategy)
    first, second = strategy.ask(history.live, 8)
    land(history, second)
    assert strategy.standing(history.live).messages == {"a": 1}
    land(history, first, fails=True)
    standing = strategy.standing(history.live)
    assert (standing.messages, standing.silent) == ({"a": 1}, {"b"})
    assert strategy.ask(history.live, 8) == [Call("aggregate", (1,), 2, "w")]
    assert strategy.variants() == (("generate", "v"), ("generate", "v"), ("aggregate", "w"))


BIG = [{"id": f"m{number}"} for number in range(65)]


@pytest.mark.parametrize(
    ("members", "final", "says"),
    [
        ([{"id": "a", "reads": ["b"]}, {"id": "b", "reads": ["a"]}], [], "circle: a, b wait"),
        ([{"id": "a", "reads": ["a"]}], [], "circle: a wait"),
        ([{"id": "alice"}, {"id": "b", "reads": ["alise"]}], [], "did you mean 'alice'"),
        ([{"id": "a"}, {"id": "a"}], [], "two members of the team are called 'a'"),
        ([{"id": "a"}, {"id": "b", "reads": ["a", "a"]}], [], "twice"),
        ([{"id": "a"}], ["b"], "final: 'b' is not in the team"),
        ([], [], "at least 1"),
        (BIG, [], "at most 64 members, and this one has 65"),
        ([{"id": "a", "tools": ["sh"]}], [], "tools: unknown key"),
        (
            [
                {"id": "a"},
                {"id": "b", "variant": "v", "reads": ["a"]},
                {"id": "c", "variant": "v", "reads": ["a", "b"]},
            ],
            [],
            "a variant of its own",
        ),
    ],
)
def test_a_team_that_cannot_work_is_refused_by_name(members: list[Any], final: list[str], says: str) -> None:
    strategy = {"name": "team", "members": members, "final": final}
    with pytest.raises(BadInput, match=says):
        Blueprint.parse({"name": "x", "scheme": {"structure": "dag", "strategy": strategy}})


def test_a_team_needs_a_dag_and_the_variants_it_names() -> None:
    strategy = {"name": "team", "members": [{"id": "a"}, {"id": "b", "reads": ["a"], "variant": "critic"}]}
    with pytest.raises(BadInput, match="makes a dag and no tree"):
        Blueprint.parse({"name": "x", "scheme": {"structure": "tree", "strategy": strategy}})
    with pytest.raises(BadInput, match=r"operators.aggregate.variants: strategy team asks for the variant 'critic'"):
        Blueprint.parse({"name": "x", "scheme": {"structure": "dag", "strategy": strategy}})
    data = {"name": "x", "scheme": {"structure": "dag", "strategy": strategy}}
    data["operators"] = {"aggregate": {"prompt": "layer", "variants": {"critic": {"temperature": 0.1}}}}
    blueprint = Blueprint.parse(data)
    assert Blueprint.parse(blueprint.model_dump(mode="json")) == blueprint


def test_the_graph_is_read_in_its_order() -> None:
    members = team(*DIAMOND).members
    assert [member.id for member in in_order(members)] == ["a", "b", "c", "d"]
    assert sinks(members) == ("d",)
    assert longest_chain(members) == 3
    assert [reader.id for reader in readers(members)["a"]] == ["b", "c"]
    assert team(*DIAMOND).limits().depth == 3
    assert team(("a", "")).uses() == {"generate"}


def any_team(random: Random) -> Team:
    """A team of up to twelve members with edges at random, some of one variant."""
    members: list[Member] = []
    for number in range(random.randrange(1, 13)):
        reads = tuple(member.id for member in members if random.random() < 0.3)
        members.append(Member(id=f"m{number}", reads=reads, variant="" if reads or random.random() < 0.5 else "shared"))
    random.shuffle(members)
    return Team(members=tuple(members), turns=random.choice([None, None, 5]), tokens=random.choice([None, None, 20]))


@pytest.mark.parametrize("seed", range(40))
def test_whatever_happens_it_comes_to_an_end(seed: int) -> None:
    random = Random(seed)
    strategy = any_team(random)
    history = drive(strategy, random)
    live, standing = history.live, strategy.standing(history.live)
    answers = [node for node, step in enumerate(live.steps) if step.answer is not None]
    assert bool(live.terminals) == bool(answers), "an answer that came is never lost"
    final = {standing.messages[name] for name in strategy.finals() if name in standing.messages}
    if any(live.steps[node].answer is not None for node in final):
        assert set(live.terminals) <= final
    if strategy.turns is None and strategy.tokens is None:
        assert set(standing.messages) | standing.silent == {member.id for member in strategy.members}


def test_the_largest_team() -> None:
    names = [f"m{number}" for number in range(64)]
    members = tuple(Member(id=name, reads=tuple(names[:number])) for number, name in enumerate(names))
    history, asked = play(Team(members=members))
    assert len(asked) == 64
    assert list(history.live.terminals) == [64]
