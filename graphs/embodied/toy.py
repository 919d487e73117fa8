"""`toy/kitchen-2`: small errands in a house, made for documentation and tests. It needs no package and keeps snapshots.

Three families of errands (`kitchen`, `laundry`, `office`), each with any number of seeds. All seeds of a family share
its habits (where such things are kept, what must be done to them), so that what is learnt of one helps with the next;
which thing is wanted, and in which of the usual places it lies, differs.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from random import Random
from types import MappingProxyType

from reflectree.graphs.embodied import toy_household as household
from reflectree.graphs.embodied.episodes import Episode, number
from reflectree.graphs.embodied.toy_household import CLOTHES, CONTAINERS, FOOD, KEY, LOCKED, PAPERS, PLACES, Household
from reflectree.rlm_ops.environment import MakeEnvironment, Observation
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.task import Task

FAMILIES = ("kitchen", "laundry", "office")
MOST_STEPS = 40
"""Valid commands an episode may take; the longest errand takes twelve."""
HINTS = (
    "Commands: go to ROOM, open PLACE, take THING from PLACE, put THING in PLACE (or: on PLACE), heat THING with "
    "stove, clean THING with sink, unlock PLACE with THING, look, inventory. You can carry one thing."
)
_HABITS = {FOOD: ("fridge", "cupboard"), CLOTHES: ("wardrobe", "basket"), PAPERS: ("desk", "shelf")}
"""Where things of a kind are kept."""
_KEY_PLACES = ("shelf", "wardrobe")


@dataclass(frozen=True, slots=True)
class Errand:
    """What is wanted: a thing, what is done to it first (`hot`, `clean` or nothing), and where it has to be."""

    thing: str
    change: str
    place: str

    @property
    def words(self) -> str:
        """The goal as a task."""
        thing = f"{self.change} {self.thing}".strip()
        article, word = "an" if thing[0] in "aeiou" else "a", "in" if self.place in CONTAINERS else "on"
        return f"Put {article} {thing} {word} the {self.place}."

    def score(self, house: Household) -> float:
        """The share of what is wanted that is so: changed, and at its place; having found it counts as well."""
        changed = not self.change or self.thing in (house.hot if self.change == "hot" else house.clean)
        placed = house.at[self.thing] == self.place
        found = house.at[self.thing] == "hand" or bool(self.change and changed) or placed
        marks = (found, placed and changed) if not self.change else (found, changed, placed and changed)
        return 0.0 if house.burning else sum(marks) / len(marks)


class Toy(Episode):
    """One errand. A state is an immutable `Household` with the steps that were taken."""

    def __init__(self, family: str, seed: int) -> None:
        self.errand, self._start = errand(family, seed)
        name = f"toy/{family}-{seed}"
        super().__init__(name, Task(self.errand.words, context=HINTS, id=name))
        self._house, self._steps = self._start, 0

    def refuses(self, command: str) -> str | None:
        """A safety rule: nothing but food goes on the stove. The world itself would let it burn."""
        return household.danger(_read(command))

    def expert(self) -> tuple[str, ...]:
        """A way that wins, made from where everything is."""
        return solution(self.errand, self._start)

    def _begin(self) -> Observation:
        self._house, self._steps = self._start, 0
        return self._observed(household.described(self._house))

    def _carry_out(self, command: str) -> Observation:
        command = _read(command)
        if command not in household.commands(self._house):
            return self._not_understood(f"You cannot do that here: {command!r}.")
        self._house, text = household.carry_out(self._house, command)
        self._steps += 1
        return self._observed(text)

    def _observed(self, text: str) -> Observation:
        score = self.errand.score(self._house)
        done = score == 1.0 or self._house.burning is not None or self._steps >= MOST_STEPS
        return Observation(text, done, () if done else household.commands(self._house), score)

    def _keep(self) -> tuple[Household, int]:
        return self._house, self._steps

    def _return_to(self, world: tuple[Household, int]) -> None:
        self._house, self._steps = world


def environment(rest: str) -> MakeEnvironment:
    """What makes `toy/REST`: a family, a dash and a seed.

    Raises:
        BadInput: There is no such errand.
    """
    family, _, seed = rest.partition("-")
    if family not in FAMILIES or not seed:
        raise BadInput(f"no environment toy/{rest}: there are {', '.join(f'toy/{name}-SEED' for name in FAMILIES)}")
    return partial(Toy, family, number(seed, "the seed", f"toy/{rest}"))


def errand(family: str, seed: int) -> tuple[Errand, Household]:
    """The errand of a seed, and the house it begins in."""
    random = Random(f"toy:{family}:{seed}")
    at = {thing: random.choice(places) for things, places in _HABITS.items() for thing in things}
    at[KEY] = random.choice(_KEY_PLACES)
    match family:
        case "kitchen":
            wanted = Errand(random.choice(FOOD), "hot", "table")
        case "laundry":
            wanted = Errand(random.choice(CLOTHES), "clean", "bed")
        case _:
            wanted = Errand(random.choice(PAPERS), "", LOCKED)
    return wanted, Household(MappingProxyType(at))


def solution(wanted: Errand, start: Household) -> tuple[str, ...]:
    """The commands of one who knows where everything is."""
    way = _Way(start)
    if wanted.place == LOCKED:
        way.fetch(KEY)
        way.go(PLACES[LOCKED])
        way.do(f"unlock {LOCKED} with {KEY}", f"open {LOCKED}", f"put {KEY} in {LOCKED}")
    way.fetch(wanted.thing)
    if wanted.change:
        appliance, verb = {"hot": ("stove", "heat"), "clean": ("sink", "clean")}[wanted.change]
        way.go(PLACES[appliance])
        way.do(f"{verb} {wanted.thing} with {appliance}")
    way.go(PLACES[wanted.place])
    way.do(f"put {wanted.thing} {'in' if wanted.place in CONTAINERS else 'on'} {wanted.place}")
    return tuple(way.taken)


class _Way:
    """Commands under construction, with the house they lead to."""

    def __init__(self, start: Household) -> None:
        self.house, self.taken = start, list[str]()

    def do(self, *commands: str) -> None:
        for command in commands:
            self.house, _ = household.carry_out(self.house, command)
            self.taken.append(command)

    def go(self, room: str) -> None:
        if self.house.room != room and room not in household.DOORS[self.house.room]:
            self.do("go to hall")
        if self.house.room != room:
            self.do(f"go to {room}")

    def fetch(self, thing: str) -> None:
        place = self.house.at[thing]
        self.go(PLACES[place])
        if not self.house.reachable(place):
            self.do(f"open {place}")
        self.do(f"take {thing} from {place}")


def _read(command: str) -> str:
    """A command in the world's spelling: small letters, no articles."""
    words = command.lower().strip(" .!").split()
    return " ".join(word for word in words if word not in ("the", "a", "an"))
