"""Real models with random weights behind the server: what it tells is what they say, however requests are batched."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch
from tests.models.serving.conftest import told
from tests.support.tiny_models import seeded, tiny_causal_lm, tiny_config, tiny_tokenizer
from transformers import LlamaForSequenceClassification

from reflectree.models.neural.heads import ValueHead
from reflectree.models.neural.load import load_scorer
from reflectree.models.scoring.card import Card
from reflectree.models.serving.engine import ScoringEngine
from reflectree.models.serving.run import serving
from reflectree.models.serving.service import Service

ITEMS = [
    {"question": f"Make {n} of 3, 5, 8.", "steps": [f"{k} + {n} = {k + n}. " * (1 + n % 3) for k in range(n % 5)]}
    for n in range(12)
]


@pytest.fixture(scope="module")
def value_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("value")
    tiny_causal_lm(folder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        ValueHead(32).save(folder)
    Card(kind="value-head", name="tiny").save(folder)
    return folder


@contextmanager
def served(folder: Path, **options: Any) -> Iterator[httpx.Client]:
    engine = ScoringEngine(load_scorer(folder, device="cpu", **options))
    with serving(Service(engine)) as url, httpx.Client(base_url=url, timeout=60, trust_env=False) as http:
        yield http
    engine.close()


def value(http: httpx.Client, items: list[Any]) -> list[list[float]]:
    reply = http.post("/v1/value", json={"items": items})
    assert reply.status_code == 200, reply.text
    return [[*row["steps"], row["value"]] for row in reply.json()["data"]]


def test_batched_is_unbatched_and_cached_is_uncached(value_model: Path) -> None:
    with served(value_model, prefix_cache_tokens=0) as plain, served(value_model) as remembers:
        alone = [value(plain, [item])[0] for item in ITEMS]
        assert len({round(row[-1], 4) for row in alone}) > len(ITEMS) / 2  # the model tells them apart
        for found in (value(plain, ITEMS), value(remembers, ITEMS), value(remembers, ITEMS)):
            for one, other in zip(alone, found, strict=True):
                assert one == pytest.approx(other, abs=1e-5)
        growing = [{"question": "q", "steps": ["a b c", "d e", "f"][: end + 1]} for end in range(3)]
        whole = value(plain, [growing[-1]])[0]
        for end, item in enumerate(growing):
            assert value(remembers, [item])[0][-1] == pytest.approx(whole[end], abs=1e-5)
        metrics = remembers.get("/metrics").text
    [cached] = [line for line in metrics.splitlines() if line.startswith("reflectree_cached_tokens_total")]
    assert float(cached.split()[-1]) > 0


async def test_concurrent_clients_get_what_they_would_get_alone(value_model: Path) -> None:
    with served(value_model, prefix_cache_tokens=0) as http:
        alone = [value(http, [item])[0] for item in ITEMS]
        async with httpx.AsyncClient(base_url=http.base_url, timeout=60, trust_env=False) as many:
            replies = await asyncio.gather(*(many.post("/v1/value", json={"items": [item]}) for item in ITEMS))
    for reply, one in zip(replies, alone, strict=True):
        [row] = reply.json()["data"]
        assert [*row["steps"], row["value"]] == pytest.approx(one, abs=1e-5)


def test_what_a_model_cannot_read_is_422(value_model: Path) -> None:
    with served(value_model) as http:
        long = http.post("/v1/value", json={"items": [ITEMS[1], {"question": "word " * 200}]})
        assert told(long, 422, "context_overflow")["param"] == "items[1]"
        pair = http.post("/v1/value", json={"items": [{"question": "q", "steps": ["a"], "against": ["b"]}]})
        told(pair, 422, "pair_not_supported")
        told(http.post("/v1/value", json={"items": [{"question": " ", "steps": ["a"]}]}), 422, "empty_question")


def test_weights_that_are_no_numbers_are_said(value_model: Path, tmp_path: Path) -> None:
    tiny_causal_lm(tmp_path)
    head = ValueHead(32)
    with torch.no_grad():
        next(head.parameters()).fill_(float("nan"))
    head.save(tmp_path)
    Card(kind="value-head").save(tmp_path)
    with served(tmp_path) as http:
        told(http.post("/v1/value", json={"items": ITEMS[:2]}), 422, "not_a_number")


def test_a_token_classifier_answers_pooling(tmp_path: Path) -> None:
    tiny_causal_lm(tmp_path)
    with served(tmp_path, format="math-shepherd") as http:
        turns = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a b<extra_0>c d<extra_0>"}]
        [row] = http.post("/pooling", json={"messages": turns}).json()["data"]
        expected = value(http, [{"question": "q", "steps": ["a b", "c d"]}])[0][:2]
        assert [good for _, good in row["data"]] == pytest.approx(expected, abs=1e-6)
        assert all(bad + good == pytest.approx(1) for bad, good in row["data"])
        tagged = {"items": [{"question": "q", "steps": ["a ки b"]}]}
        told(http.post("/v1/value", json=tagged), 422, "step_tag_in_text")
        told(http.post("/classify", json={"input": "no steps"}), 422, "no_steps")


def test_a_sequence_classifier_answers_rerank(tmp_path: Path) -> None:
    tiny_tokenizer(tmp_path)
    seeded(LlamaForSequenceClassification, tiny_config(num_labels=1)).save_pretrained(tmp_path)
    texts = ["it is 23", "it is 24", "perhaps"]
    with served(tmp_path) as http:
        rows = http.post("/rerank", json={"query": "Make 24.", "documents": texts}).json()["results"]
        values = [row[-1] for row in value(http, [{"question": "Make 24.", "steps": [text]} for text in texts])]
    assert [row["relevance_score"] for row in rows] == pytest.approx(sorted(values, reverse=True), abs=1e-5)
    assert [row["index"] for row in rows] == sorted(range(3), key=lambda index: -values[index])


def test_a_preference_model_compares(tmp_path: Path) -> None:
    tiny_tokenizer(tmp_path)
    seeded(LlamaForSequenceClassification, tiny_config(num_labels=1)).save_pretrained(tmp_path)
    with served(tmp_path, kind="preference") as http:
        one = {"question": "Make 24.", "steps": ["it is 23"], "against": ["it is 24"]}
        other = {"question": "Make 24.", "steps": ["it is 24"], "against": ["it is 23"]}
        (first, _), (second, _) = value(http, [one, other])
        assert first + second == pytest.approx(1, abs=1e-5)
        assert first != pytest.approx(0.5, abs=1e-4)


def test_one_thread_owns_the_model(value_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scorer = load_scorer(value_model, device="cpu")
    threads: set[str] = set()
    score = scorer.score

    def watched(batch: Any) -> Any:
        threads.add(threading.current_thread().name)
        return score(batch)

    monkeypatch.setattr(scorer, "score", watched)
    engine = ScoringEngine(scorer)
    with serving(Service(engine)) as url, httpx.Client(base_url=url, trust_env=False) as http:
        for item in ITEMS[:5]:
            value(http, [item])
    engine.close()
    assert threads == {"scorer"}
