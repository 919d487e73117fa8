"""What holds of every kind of scorer: batches, caches and padding change no score, later steps no earlier one."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.support import tiny_scorers as make
from tests.support.tiny_models import tiny_causal_lm

from reflectree.models.neural.load import load_scorer
from reflectree.models.scoring.items import Item, Scored

KINDS: dict[str, tuple[Callable[[Path], Any], dict[str, Any]]] = {
    "value-head": (make.value_model, {}),
    "qwen-prm": (make.qwen_prm, {}),
    "skywork": (make.skywork, {}),
    "token-classifier": (make.token_classifier, {}),
    "math-shepherd": (lambda path: tiny_causal_lm(path, "mistral", sliding_window=24), {"format": "math-shepherd"}),
    "rlhflow": (lambda path: tiny_causal_lm(path, "llama"), {"format": "rlhflow"}),
    "openr-qwen": (lambda path: tiny_causal_lm(path, "qwen2"), {"format": "openr-qwen"}),
    "sequence-classifier": (make.sequence_classifier, {}),
    "encoder": (make.encoder, {}),
    "bradley-terry": (make.sequence_classifier, {"kind": "preference"}),
    "pair": (lambda path: tiny_causal_lm(path, "llama"), {"format": "pair"}),
    "implicit-prm": (make.implicit, {}),
}
PAIRS = ("bradley-terry", "pair")
PER_STEP = [kind for kind in KINDS if kind not in ("sequence-classifier", "encoder", *PAIRS)]
QUESTIONS = ("Use 2, 3 and 4 to make 24.", "What is 6 times 7?")
THOUGHTS = (
    "2 * 3 = 6",
    "6 * 4 = 24 which is what was asked for",
    "so",
    "7 * 6 = 42",
    "3 + 4 = 7 and then 2 is left over",
)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    made: dict[str, Path] = {}

    def folder(kind: str) -> Path:
        if kind not in made:
            made[kind] = tmp_path_factory.mktemp(kind)
            KINDS[kind][0](made[kind])
        return made[kind]

    return folder


def items(kind: str, count: int = 16, seed: int = 0) -> list[Item]:
    """Paths of a tree: many share their beginnings, some are the beginning of others, some come twice."""
    draw = random.Random(seed)
    return [
        Item(
            draw.choice(QUESTIONS),
            tuple(draw.choice(THOUGHTS) for _ in range(draw.randint(1, 4))),
            (draw.choice(THOUGHTS),) if kind in PAIRS else None,
        )
        for _ in range(count)
    ]


def alike(one: list[Scored], other: list[Scored], tolerance: float = 1e-5) -> None:
    assert len(one) == len(other)
    for left, right in zip(one, other, strict=True):
        assert left.steps == pytest.approx(right.steps, abs=tolerance)
        assert left.value == pytest.approx(right.value, abs=tolerance)


@pytest.mark.parametrize("kind", KINDS)
def test_batches_and_caches_change_no_score(kind: str, folders: Callable[[str], Path]) -> None:
    asked = items(kind)
    bare = load_scorer(folders(kind), **KINDS[kind][1], prefix_cache_tokens=0)
    cached = load_scorer(folders(kind), **KINDS[kind][1])
    encoded = [bare.encode(item) for item in asked]
    alone = [bare.score([one])[0] for one in encoded]
    assert len({round(score.value, 3) for score in alone}) > 5, "the random model tells nothing apart"
    alike(bare.score(encoded), alone)
    alike(cached.score(encoded[:8]), alone[:8])  # shared within a batch
    alike(cached.score(encoded), alone)  # and behind what is known
    alike([cached.score([one])[0] for one in reversed(encoded)], alone[::-1])
    again = cached.score(encoded)
    alike(again, alone)
    assert all(score.cached == score.tokens for score in again)
    assert all(0 <= number <= 1 for score in alone for number in (*score.steps, score.value))


@pytest.mark.parametrize("kind", PER_STEP)
def test_one_score_a_step_that_later_steps_do_not_change(kind: str, folders: Callable[[str], Path]) -> None:
    scorer = load_scorer(folders(kind), **KINDS[kind][1], prefix_cache_tokens=0)
    assert scorer.info.causal
    assert scorer.info.per_step
    steps = tuple(THOUGHTS[:4])
    whole = scorer.score([scorer.encode(Item(QUESTIONS[0], steps))])[0]
    assert len(whole.steps) == 4
    assert len(set(whole.steps)) == 4
    assert whole.value == whole.steps[-1]
    for count in range(1, 4):
        part = scorer.score([scorer.encode(Item(QUESTIONS[0], steps[:count]))])[0]
        assert part.steps == pytest.approx(whole.steps[:count], abs=1e-5)


@pytest.mark.parametrize("kind", ["value-head", "qwen-prm", "math-shepherd", "implicit-prm", "sequence-classifier"])
def test_bfloat16_keeps_within_a_hundredth(kind: str, folders: Callable[[str], Path]) -> None:
    asked = items(kind, 12)
    bare = load_scorer(folders(kind), **KINDS[kind][1], dtype="bfloat16", prefix_cache_tokens=0)
    cached = load_scorer(folders(kind), **KINDS[kind][1], dtype="bfloat16")
    assert bare.info.dtype == "bfloat16"
    encoded = [bare.encode(item) for item in asked]
    alone = [bare.score([one])[0] for one in encoded]
    alike(bare.score(encoded), alone, 1e-2)
    alike(cached.score(encoded[:5]), alone[:5], 1e-2)
    alike(cached.score(encoded), alone, 1e-2)


def test_a_new_step_costs_that_step_only(folders: Callable[[str], Path]) -> None:
    scorer = load_scorer(folders("value-head"))
    first = scorer.encode(Item(QUESTIONS[0], THOUGHTS[:2]))
    assert scorer.score([first])[0].cached == 0
    longer = scorer.encode(Item(QUESTIONS[0], THOUGHTS[:3]))
    found = scorer.score([longer])[0]
    assert found.cached == first.tokens
    siblings = [scorer.encode(Item(QUESTIONS[0], (*THOUGHTS[:3], text))) for text in ("a", "bb", "ccc", "bb")]
    assert [score.cached for score in scorer.score(siblings)] == [longer.tokens] * 3 + [siblings[3].tokens]


def test_siblings_share_a_prefix_that_nobody_knew(folders: Callable[[str], Path]) -> None:
    scorer = load_scorer(folders("value-head"))
    siblings = [scorer.encode(Item(QUESTIONS[0], (THOUGHTS[0], text))) for text in ("a", "bb", "ccc")]
    found = scorer.score(siblings)
    assert [score.cached for score in found] == [0, siblings[1].cuts[1], siblings[2].cuts[1]]


def test_a_question_alone_has_a_value_and_shares_its_prefix(folders: Callable[[str], Path]) -> None:
    scorer = load_scorer(folders("value-head"))
    root = scorer.encode(Item(QUESTIONS[0]))
    found = scorer.score([root])[0]
    assert found.steps == ()
    assert 0 < found.value < 1
    assert scorer.score([scorer.encode(Item(QUESTIONS[0], ("2 * 3 = 6",)))])[0].cached == root.tokens
    bare = load_scorer(folders("value-head"), prefix_cache_tokens=0)
    alike(bare.score([root]), [found])


def test_a_card_says_how_steps_become_one_value(tmp_path: Path) -> None:
    scorer = load_scorer(make.value_model(tmp_path, reduce="min"))
    found = scorer.score([scorer.encode(Item(QUESTIONS[0], THOUGHTS[:3]))])[0]
    assert found.value == min(found.steps)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_told_of_a_scorer(kind: str, folders: Callable[[str], Path]) -> None:
    info = load_scorer(folders(kind), **KINDS[kind][1]).info
    assert info.kind == {
        "encoder": "sequence-classifier",
        "bradley-terry": "preference",
        "pair": "preference",
    }.get(kind, kind if kind in ("value-head", "sequence-classifier", "implicit-prm") else "token-classifier")
    assert info.causal is (kind != "encoder")
    assert info.per_step is (kind in PER_STEP)
    assert (info.device, info.dtype, info.context_tokens) == ("cpu", "float32", 512)
    assert info.parameters > 10_000


def test_many_threads_may_encode_at_once(folders: Callable[[str], Path]) -> None:
    scorer = load_scorer(folders("qwen-prm"))
    asked = [Item(f"{n} <extra_0> <|im_end|>", (f"<|im_start|> {n}", "so")) for n in range(200)]
    wanted = [scorer.encode(item) for item in asked]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(scorer.encode, asked)) == wanted


def test_a_closed_scorer_says_so(folders: Callable[[str], Path]) -> None:
    scorer = load_scorer(folders("value-head"))
    encoded = scorer.encode(Item(QUESTIONS[0], ("so",)))
    scorer.close()
    with pytest.raises(Exception, match="was closed"):
        scorer.score([encoded])
