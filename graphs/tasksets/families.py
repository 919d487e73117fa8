"""Families of reasoning-gym generators after the survey's taxonomy (arXiv 2501.09686, evaluation benchmarks).

The survey sorts benchmarks into mathematics, logic, commonsense, code and agents. Generated puzzles are not those
benchmarks, so each group holds what trains and tests the same faculty:

- `mathematics`: a number or an expression is to be computed.
- `logic`: what follows from statements, which rule explains examples, which assignment satisfies all constraints.
- `commonsense`: everyday words, kinship, calendars, animals, and what is drawn or turned in space. They are few, since
  knowledge of the world cannot be generated; `strategyqa` has more of it.
- `code`: a procedure is to be carried out exactly, as a program would. None asks for a program; `humaneval` does.
- `agents`: an environment is to be brought from its state to a goal by a sequence of actions, all planned ahead, since
  a question has no environment that answers each action.

`composite` is in no group: it has no tasks of its own, but mixes other generators.
"""

from __future__ import annotations

import difflib

from reflectree.graphs.tasksets.base import TaskSet
from reflectree.graphs.tasksets.generated import DEFAULT_SIZE, VARYING_ANSWERS, load_generated
from reflectree.graphs.tasksets.mixed import interleaved
from reflectree.rlm_ops.errors import BadInput, MissingExtra
from reflectree.rlm_ops.verifiers.gym import gym_defaults

FAMILIES: dict[str, tuple[str, ...]] = {
    "mathematics": (
        "advanced_geometry", "base_conversion", "basic_arithmetic", "bitwise_arithmetic", "chain_sum", "coin_flip",
        "complex_arithmetic", "count_bits", "count_primes", "countdown", "decimal_arithmetic", "decimal_chain_sum",
        "dice", "fraction_simplification", "gcd", "gsm_symbolic", "intermediate_integration", "lcm", "number_format",
        "number_sequence", "polynomial_equations", "polynomial_multiplication", "power_function",
        "prime_factorization", "products", "puzzle24", "simple_equations", "simple_geometry", "simple_integration",
    ),
    "logic": (
        "acre", "arc_1d", "arc_agi", "circuit_logic", "cryptarithm", "futoshiki", "graph_color", "kakurasu",
        "knights_knaves", "list_functions", "mahjong_puzzle", "mini_sudoku", "modulo_grid", "n_queens",
        "propositional_logic", "rearc", "self_reference", "sudoku", "survo", "syllogism", "tsumego", "word_ladder",
        "zebra_puzzles",
    ),
    "commonsense": (
        "aiw", "calendar_arithmetic", "color_cube_rotation", "family_relationships", "figlet_font", "leg_counting",
        "letter_jumble", "needle_haystack", "rectangle_count", "sentence_reordering", "time_intervals",
    ),
    "code": (
        "ab", "bf", "binary_alternation", "binary_matrix", "caesar_cipher", "codeio", "course_schedule",
        "emoji_mystery", "game_of_life", "game_of_life_halting", "group_anagrams", "isomorphic_strings",
        "largest_island", "letter_counting", "manipulate_matrix", "number_filtering", "number_sorting",
        "palindrome_generation", "palindrome_partitioning", "path_star", "pool_matrix", "ransom_note",
        "rotate_matrix", "rotten_oranges", "spell_backward", "spiral_matrix", "string_insertion",
        "string_manipulation", "string_splitting", "string_synthesis", "word_sequence_reversal", "word_sorting",
    ),
    "agents": (
        "boxnet", "jugs", "knight_swap", "maze", "quantum_lock", "rubiks_cube", "rush_hour", "shortest_path",
        "sokoban", "tower_of_hanoi",
    ),
}  # fmt: skip
"""The generators of reasoning-gym 0.1.25, each in one group; the order is that of their turns."""

UNGROUPED = frozenset({"composite"})
"""Generators without tasks of their own."""

LEFT_OUT = frozenset({
    "codeio", "isomorphic_strings", "list_functions", "polynomial_multiplication", "ransom_note",
})  # fmt: skip
"""Generators that order their material by hashes of texts, and so pose other questions in every process (0.1.25): a
family would not be the same set twice. By their own names they can be loaded."""

_NO_EXAMPLES = VARYING_ANSWERS | {"boxnet", "graph_color", "propositional_logic", "rubiks_cube", "rush_hour"}
"""Generators whose worked examples would differ between processes, and those that state no answer to show."""


def load_family(spec: str, *, limit: int | None = None, seed: int = 0, examples: int = 0) -> TaskSet:
    """The set that `family:NAME[?examples=K]` names: the family's generators in turn, each as it is by default.

    A generator whose own dependency is missing is left out, as are those of `LEFT_OUT`; the others keep their tasks and
    ids. Generators that state no answer, or not always the same one, get no worked examples.

    Raises:
        BadInput: No such family, or a setting other than `examples`.
        MissingExtra: reasoning-gym is not installed.
    """
    name, _, query = spec.partition(":")[2].partition("?")
    members = family(name.strip())
    if query:
        key, _, value = query.partition("=")
        if key != "examples" or not value.isdecimal():
            raise BadInput(
                f"a family takes examples=K and nothing else, got {query!r}: set up one generator by its name"
            )
        examples = int(value)
    size = DEFAULT_SIZE if limit is None else limit
    gym_defaults(members[0])  # without reasoning-gym itself there is nothing to leave out
    parts: list[TaskSet] = []
    for member in members:
        if member in LEFT_OUT:
            continue
        shown = 0 if member in _NO_EXAMPLES else examples
        try:
            parts.append(load_generated(f"reasoning_gym:{member}", limit=size, seed=seed, examples=shown))
        except MissingExtra:
            continue
    return interleaved(spec, parts, size)


def family(name: str) -> tuple[str, ...]:
    """The generators of a family.

    Raises:
        BadInput: There is no such family.
    """
    if name not in FAMILIES:
        near = difflib.get_close_matches(name.lower(), FAMILIES, n=1, cutoff=0.4)
        hint = f"did you mean family:{near[0]}? " if near else ""
        raise BadInput(f"no family {name!r}: {hint}there are {', '.join(FAMILIES)}")
    return FAMILIES[name]
