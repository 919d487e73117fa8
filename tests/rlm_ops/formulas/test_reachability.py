from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.formulas.reachability import Reachability

edges = st.integers(1, 70).flatmap(
    lambda n: st.tuples(
        st.just(n), st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=min(90, 2 * n))
    )
)


def walk(n: int, pairs: list[tuple[int, int]]) -> list[list[bool]]:
    """Who reaches whom, by looking: a search from every node."""
    found = []
    for start in range(n):
        reached: set[int] = set()
        stack = [target for source, target in pairs if source == start]
        while stack:
            node = stack.pop()
            if node not in reached:
                reached.add(node)
                stack += [target for source, target in pairs if source == node]
        found.append([node in reached for node in range(n)])
    return found


@given(edges)
def test_an_edge_at_a_time_is_the_same_as_all_at_once(graph: tuple[int, list[tuple[int, int]]]) -> None:
    n, pairs = graph
    matrix = np.zeros((n, n), dtype=bool)
    grown = Reachability()
    for _ in range(n):
        grown.add_node()
    for source, target in pairs:
        matrix[source, target] = True
        already = grown.reaches(source, target)
        assert grown.add_edge(source, target) is not already
    expected = walk(n, pairs)
    assert grown.matrix().tolist() == expected
    assert Reachability.of(matrix).matrix().tolist() == expected
    others = [sum(row) - row[node] for node, row in enumerate(expected)]
    assert grown.counts().tolist() == others


def test_nodes_come_when_they_come() -> None:
    graph = Reachability(1)
    for node in range(1, 200):  # past several words of 64
        assert graph.add_node() == node
        assert graph.add_edge(node - 1, node)
    assert graph.reaches(0, 199)
    assert not graph.reaches(199, 0)
    assert graph.counts().tolist() == list(range(199, -1, -1))
    assert graph.add_edge(199, 0)
    assert graph.matrix().all()


def test_a_thousand_nodes_are_closed_without_a_loop_over_triples() -> None:
    matrix = np.random.default_rng(0).random((1000, 1000)) < 0.5
    began = time.process_time()
    assert Reachability.of(matrix).matrix().all()
    assert time.process_time() - began < 20.0  # a loop over all triples in Python would be minutes


def test_what_is_no_graph() -> None:
    assert Reachability.of([]).matrix().shape == (0, 0)
    with pytest.raises(BadInput, match="square"):
        Reachability.of([[True, False]])
    with pytest.raises(BadInput, match="add the nodes first"):
        Reachability(2).add_edge(0, 2)
    with pytest.raises(BadInput, match="add the nodes first"):
        Reachability(2).add_edge(-1, 1)
