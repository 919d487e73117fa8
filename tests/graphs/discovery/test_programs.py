from __future__ import annotations

from random import Random

import pytest

from reflectree.agents.evaluators.base import ScoreError
from reflectree.graphs.discovery import cap_sets, packing
from reflectree.graphs.discovery.programs import BinPacking, CapSet
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.sandbox import Limits, available

pytestmark = pytest.mark.skipif(bool(available()), reason=available())

LIMITS = Limits(seconds=8.0, cpu_seconds=1, memory_mb=128, output_bytes=100_000)
BEST_FIT = "def priority(item, bins):\n    return [-room for room in bins]"
NEW_BIN = "def priority(item, bins):\n    return range(len(bins))"


def test_a_program_packs_as_its_rule_says() -> None:
    problem = BinPacking()
    score = problem.measure(f"```python\n{BEST_FIT}\n```")
    textbook = packing.decide(packing.CLASSICAL["best fit"], [[each.items, each.capacity] for each in problem.train])
    used = [packing.bins_used(one, each) for one, each in zip(textbook, problem.train, strict=True)]
    assert score.scores == tuple(-float(bins) for bins in used)
    assert problem.measure(NEW_BIN).scores == (-60.0,) * 5  # every item in a bin of its own
    assert problem.measure(NEW_BIN).value < score.value < 1


def test_held_out_instances_stand_in_the_report_beside_the_textbook() -> None:
    report = BinPacking().report(BEST_FIT)
    assert report["bins"] == report["best fit"] >= report["least"]
    train, test = packing.instances("train", 5, 60), packing.instances("test", 5, 250)
    assert not {each.items[:60] for each in test} & {each.items for each in train}


def test_the_classical_heuristics_are_evaluations() -> None:
    curve = BinPacking().classical(8, 0)
    assert len(curve) == 8
    assert curve == sorted(curve)
    assert curve[4:] == [curve[4]] * 4
    assert BinPacking().classical(2, 0) == curve[:2]


def test_a_packing_is_checked_on_our_side() -> None:
    instance = packing.Instance((5, 5, 5), 10)
    assert packing.bins_used([0, 0, 1], instance) == 2
    for wrong in ([0, 0, 0], [0, 0], None, [0, 0, "1"], [0, 0, True], "000"):
        with pytest.raises(ScoreError):
            packing.bins_used(wrong, instance)


FORGED = """
import sys
sys.__stdout__.write("[[0], [0], [0], [0], [0]]")
sys.__stdout__.flush()
import os
os._exit(0)
def priority(item, bins): return bins
"""
BAD = {
    "forks": "import os\nos.fork()",
    "starts a program": "import subprocess\nsubprocess.run(['true'])",
    "fills memory": "x = bytearray(1 << 30)",
    "opens a socket": "import socket\nsocket.socket()",
    "reads the environment": "import os\nos.environ['PATH']",
    "reads a file": "open('/etc/passwd').read()",
    "loops for ever": "while True: pass",
    "sleeps": "import time\ntime.sleep(60)",
    "prints for ever": "import sys\nwhile True: sys.stderr.write('x' * 1000)",
    "kills": "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)",
    "leaves": "import os\nos._exit(0)",
    "forges decisions": FORGED,
    "is not Python": "def priority(",
    "defines nothing": "x = 1",
    "defines no function": "priority = 3",
}


@pytest.mark.parametrize("what", BAD)
def test_a_program_that_does_harm_is_a_failed_evaluation(what: str) -> None:
    limits = Limits(seconds=1.0) if what in ("sleeps", "loops for ever") else LIMITS
    program = BAD[what] if "def" in BAD[what] or "defines" in what else f"{BAD[what]}\n{BEST_FIT}"
    with pytest.raises(ScoreError) as failure:
        BinPacking(limits=limits).measure(program)
    assert str(failure.value)
    assert "\n" not in str(failure.value)


@pytest.mark.parametrize(
    "body", ["return None", "return [1.0]", "return [float('nan')] * len(bins)", "return ['a'] * len(bins)"]
)
def test_priorities_that_are_none_are_a_failed_evaluation(body: str) -> None:
    with pytest.raises(ScoreError):
        BinPacking(limits=LIMITS).measure(f"def priority(item, bins):\n    {body}")


def test_what_a_program_prints_is_no_decision() -> None:
    noisy = BEST_FIT.replace("    return", "    print('[[1]]')\n    return")
    assert BinPacking().measure(noisy).scores == BinPacking().measure(BEST_FIT).scores


def test_cap_sets_are_true_ones_whatever_the_priorities() -> None:
    rng = Random(0)
    for n in (3, 4):
        found = cap_sets.greedy([rng.random() for _ in range(3**n)], n)
        assert cap_sets.is_cap_set(found)
        assert len(found) <= cap_sets.KNOWN[n]
    assert len(cap_sets.greedy([0.0] * 81, 4)) == 16  # lexicographic: all vectors of zeros and ones
    assert not cap_sets.is_cap_set([(0, 0), (1, 1), (2, 2)])


@pytest.mark.parametrize("priorities", [None, [1.0], [float("nan")] * 27, ["1"] * 27, [float("inf")] * 27])
def test_bad_priorities_give_no_cap_set(priorities: object) -> None:
    with pytest.raises(ScoreError):
        cap_sets.greedy(priorities, 3)


def test_a_cap_set_program_scores_one_number_a_dimension() -> None:
    problem = CapSet((3, 4))
    score = problem.measure("def priority(element, n):\n    return -sum(element)")
    assert len(score.scores) == 2
    assert 0 < score.value < 1
    assert problem.report("def priority(element, n):\n    return 0")["largest"] == {"3": 9, "4": 20}
    assert (problem.name, CapSet().name) == ("program/cap-set/3/4", "program/cap-set")
    curve = problem.classical(5, 0)
    assert curve == sorted(curve) == problem.classical(5, 0)
    with pytest.raises(BadInput, match="3 to 6"):
        CapSet((9,))


def test_drawn_programs_run_and_vary() -> None:
    problem, rng = BinPacking(), Random(0)
    program = problem.draw(rng)
    assert problem.measure(program).scores
    assert problem.vary([program], rng) != program
    assert "weights" in problem.vary(["nothing"], rng)
