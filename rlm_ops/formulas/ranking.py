"""From pairwise preferences to one total order: transitive closure and LLaMA-Berry's Enhanced Borda Count.

Preferences are a square matrix, `P[i, j]` being the chance that i is better than j, NaN where nobody compared them.
Nothing here knows what was compared, or who judged. Papers: LLaMA-Berry (arXiv 2410.02884).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.formulas.reachability import Reachability

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Ranking:
    """A total order of n solutions.

    Attributes:
        order: Ids, best first.
        ranks: The rank of each id, the best being 1.
        wins: For each id the others it beats in the closure: its Borda count.
        support: For each id the sum of its known preferences.
    """

    order: tuple[int, ...]
    ranks: tuple[int, ...]
    wins: tuple[int, ...]
    support: tuple[float, ...]


def closure(wins: npt.ArrayLike) -> Bools:
    """The transitive closure of a win matrix (Floyd-Warshall, O(n^3 / 64)).

    Args:
        wins: Square matrix of booleans: whether the row beats the column.

    Returns:
        Whether a chain of wins leads from the row to the column; on the diagonal, whether one leads back.

    Raises:
        BadInput: The matrix is not square.
    """
    return Reachability.of(wins).matrix()


def cancel_position_bias(p_first: float, p_second: float) -> float:
    """P(a better than b), judged in both orders: the mean of `P(a > b | a first)` and `1 - P(b > a | b first)`.

    Args:
        p_first: P(a > b) where a was shown first.
        p_second: P(b > a) where b was shown first.
    """
    return 0.5 * (p_first + 1.0 - p_second)


def preference_matrix(ids: Iterable[int], judged: Mapping[tuple[int, int], float]) -> Floats:
    """The matrix of what was judged: NaN for pairs nobody compared, 0 on the diagonal.

    Args:
        ids: The solutions, in the order of the matrix.
        judged: `(a, b)` to P(a better than b), a having been shown first. A pair judged in both orders is freed of
            position bias; one judged in one order is believed. Pairs of others are ignored.
    """
    place = {node: index for index, node in enumerate(ids)}
    matrix = np.full((len(place), len(place)), np.nan)
    np.fill_diagonal(matrix, 0.0)
    for (a, b), chance in judged.items():
        if a == b or a not in place or b not in place:
            continue
        back = judged.get((b, a))
        p = chance if back is None else cancel_position_bias(chance, back)
        matrix[place[a], place[b]] = p
        matrix[place[b], place[a]] = 1.0 - p
    return matrix


def ebc(preferences: npt.ArrayLike, threshold: float = 0.5) -> Ranking:
    """Enhanced Borda Count (LLaMA-Berry, arXiv 2410.02884, section 2.4): a total order, whatever the preferences.

    i beats j where `P[i, j] >= threshold`; the closure of that; the more others an id beats, the better. Ties go

    1. to the one preferred directly, as the paper has it, or by a chain of strict preferences among the tied;
    2. where those run in a ring or are missing, which the paper leaves open, to the larger sum of known preferences;
    3. then to the lower id.

    Args:
        preferences: `P[i, j]`; NaN is unknown: neither wins. The diagonal does not matter.
        threshold: From where on a preference is a win.

    Raises:
        BadInput: The matrix is not square.
    """
    matrix = _square(preferences)
    n = len(matrix)
    known = np.where(np.isnan(matrix), -np.inf, matrix)
    np.fill_diagonal(known, -np.inf)
    wins = Reachability.of(known >= threshold).counts()
    support = np.where(np.isfinite(known), known, 0.0).sum(axis=1)
    decided = np.zeros(n, dtype=np.int64)
    strict = known > known.T
    for count in np.unique(wins):
        tied = np.flatnonzero(wins == count)
        if len(tied) > 1:
            chain = closure(strict[np.ix_(tied, tied)])
            decided[tied] = (chain & ~chain.T).sum(axis=1)
    # lexsort's last key is the first to decide
    order = np.lexsort((np.arange(n), -np.round(support, 12), -decided, -wins))
    ranks = np.empty(n, dtype=np.int64)
    ranks[order] = np.arange(1, n + 1)
    return Ranking(*(tuple(values.tolist()) for values in (order, ranks, wins, support)))


def _square(values: npt.ArrayLike) -> Floats:
    matrix = np.asarray(values, dtype=np.float64)
    if matrix.size == 0:
        return np.zeros((0, 0))
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise BadInput(f"preferences are a square matrix, got one of shape {matrix.shape}")
    return matrix


def global_quantile(rank: int, n: int) -> float:
    """LLaMA-Berry's Q_g: `1 - (rank - 1) / (n - 1)`; 1 for the only one (arXiv 2410.02884).

    Raises:
        BadInput: There is no such rank.
    """
    if not 1 <= rank <= n:
        raise BadInput(f"rank {rank} of {n} cannot be")
    return 1.0 if n == 1 else 1.0 - (rank - 1) / (n - 1)


def local_preference(preferences: npt.ArrayLike, node: int, neighbours: Iterable[int]) -> float:
    """LLaMA-Berry's Q_l: the mean chance that a solution is better than its neighbours (arXiv 2410.02884).

    Args:
        preferences: `P[i, j]`; NaN is unknown and does not count.
        node: The solution.
        neighbours: Those it is joined to in the tree: its parent and its children.

    Returns:
        The mean, or one half where nothing is known.
    """
    row = np.asarray(preferences, dtype=np.float64)[node]
    known = [float(row[other]) for other in neighbours if other != node and not np.isnan(row[other])]
    return sum(known) / len(known) if known else 0.5


def berry_value(q_global: float, q_local: float, alpha: float = 0.9) -> float:
    """LLaMA-Berry: `Q = alpha * Q_g + (1 - alpha) * Q_l` (arXiv 2410.02884)."""
    return alpha * q_global + (1.0 - alpha) * q_local
