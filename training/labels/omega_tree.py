"""OmegaPRM's tree of states: which wrong completion to look into next, and what is learnt on the way.

Luo et al. 2024, arXiv 2406.06592, algorithm 1. A state is a prefix with k completions and MC, the share of them that
are right. From the pool of wrong completions of states with 0 < MC < 1 the one of greatest Q(s, r) + U(s) is taken, its
first wrong step is found by binary search, and every prefix looked at on the way becomes a state. `ask` names the
prefix whose completions are wanted, `tell` takes them; no model is called here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.formulas import omegaprm_bonus, omegaprm_value
from reflectree.training.labels.monte_carlo import soft
from reflectree.training.labels.source import RIGHT, Completion, Source
from reflectree.training.samples import Labelled, Origin, Valued

Prefix = tuple[str, ...]


@dataclass(slots=True)
class State:
    """A prefix, what its completions came to, and how often one of them was looked into.

    Attributes:
        node: The node of the trace the prefix ends at; -1 where a completion wrote its last step.
    """

    steps: Prefix
    outcomes: list[float] = field(default_factory=list)
    pool: list[Completion] = field(default_factory=list)
    visits: int = 0
    node: int = -1

    @property
    def mc(self) -> float:
        """The share of completions that are right."""
        return soft(self.outcomes)


@dataclass(frozen=True, slots=True)
class Search:
    """A binary search under way: `low` steps of the completion are known to be sound, `high` to be lost."""

    start: Prefix
    steps: Prefix
    low: int
    high: int

    @property
    def middle(self) -> int:
        """Where to look."""
        return (self.low + self.high) // 2


class OmegaTree:
    """The states of one question.

    Attributes:
        states: Every state, by its prefix.
        errors: For each wrong solution that was looked into the number of its first wrong step, from 1.
        places: The node of the trace at which a prefix ends, for those that stand there.
        searches: Binary searches begun.
    """

    def __init__(
        self,
        question: str,
        *,
        alpha: float = 0.5,
        beta: float = 0.9,
        length: float = 500.0,
        c: float = 0.125,
        most: int = 100,
        origin: Origin | None = None,
    ) -> None:
        """An empty tree.

        Args:
            question: The question.
            alpha: Weight of doubt in Q.
            beta: Weight of length in Q.
            length: L, in the unit of the completions' lengths.
            c: Weight of U.
            most: Searches after which it ends.
            origin: Where samples come from.
        """
        self.question = question
        self.constants = (alpha, beta, length, c)
        self.most = most
        self.origin = origin or Origin()
        self.states: dict[Prefix, State] = {}
        self.errors: dict[Prefix, int] = {}
        self.places: dict[Prefix, int] = {(): 0}
        self.searches = 0
        self._search: Search | None = None

    @classmethod
    def of(cls, source: Source, *, most: int = 100) -> OmegaTree:
        """A tree that begins with the solutions of a run as the completions of its question."""
        tree = cls(source.question, most=most, origin=source.origin("omegaprm/tree", 0))
        for node in source.nodes:
            tree.places.setdefault(source.texts(node), node)
        found = [
            Completion(source.texts(end), source.structure.steps[end].answer, source.outcomes[end])
            for end in source.ends
            if end in source.outcomes
        ]
        if found:
            tree.tell((), found)
        return tree

    def ask(self) -> Prefix | None:
        """The prefix that wants completions; `None` when nothing is left to look into."""
        if () not in self.states:
            return ()
        while self._search is not None or self._choose():
            search = self._search
            assert search is not None
            if search.high - search.low <= 1:
                self.errors[search.start + search.steps] = len(search.start) + search.high
                self._search = None
                continue
            prefix = search.start + search.steps[: search.middle]
            if prefix not in self.states:
                return prefix
            sound = self.states[prefix].mc > 0
            low, high = (search.middle, search.high) if sound else (search.low, search.middle)
            self._search = replace(search, low=low, high=high)
        return None

    def tell(self, prefix: Prefix, completions: Sequence[Completion]) -> None:
        """Take the completions of a prefix; told twice, they add up.

        Raises:
            BadInput: There are none.
        """
        if not completions:
            raise BadInput("OmegaPRM cannot go on without completions of the prefix it asked for")
        state = self.states.setdefault(prefix, State(prefix, node=self.places.get(prefix, -1)))
        state.outcomes += [made.reward for made in completions]
        state.pool += [made for made in completions if made.reward < RIGHT and made.steps]

    def score(self, state: State, completion: Completion) -> float:
        """Q(s, r) + U(s): how much there is to learn from looking into a wrong completion (eqs. 2 and 3)."""
        alpha, beta, length, c = self.constants
        total = sum(other.visits for other in self.states.values())
        bonus = omegaprm_bonus(total, state.visits, c)
        return omegaprm_value(state.mc, completion.length, alpha, beta, length) + bonus

    def _choose(self) -> bool:
        """Begin a search in the completion that promises most; whether there is one."""
        open_states = [state for state in self.states.values() if 0.0 < state.mc < 1.0 and state.pool]
        if not open_states or self.searches >= self.most:
            return False
        pairs = [(state, made) for state in open_states for made in state.pool]
        state, made = max(pairs, key=lambda pair: self.score(*pair))  # the first of equals: the older
        state.pool.remove(made)
        state.visits += 1
        self.searches += 1
        self._search = Search(state.steps, made.steps, 0, len(made.steps))
        return True

    def valued(self) -> list[Valued]:
        """Each state and its share of right completions (the paper's soft labels)."""
        label = "omegaprm/tree"
        return [
            Valued(
                question=self.question,
                steps=state.steps,
                value=state.mc,
                origin=replace(self.origin, node=state.node, label=label),
            )
            for state in self.states.values()
        ]

    def labelled(self) -> list[Labelled]:
        """Each completion looked into up to its first wrong step: 1 for the sound steps, 0 for that one."""
        return [
            Labelled(
                question=self.question,
                steps=steps[:at],
                labels=(*(1.0,) * (at - 1), 0.0),
                origin=replace(self.origin, node=self.places.get(steps[:at], -1), label="omegaprm/tree"),
            )
            for steps, at in self.errors.items()
        ]
