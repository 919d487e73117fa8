"""Clients of others, unchanged: litellm's rerank and decisions, and openai's decisions where it has them."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

import pytest
from tests.models.serving.conftest import Client, Start
from tests.support.fake_scorer import expected

from reflectree.models.scoring.items import Item
from reflectree.models.serving.decisions import softmax_of_logits

TEXTS = ["it is 23", "it is 24", "perhaps 25"]
VALUES = [expected(Item("Make 24.", (text,)))[0] for text in TEXTS]
ORDER = sorted(range(3), key=lambda index: -VALUES[index])
QUESTIONS: list[dict[str, Any]] = [
    {"type": "predicate", "name": "right", "instructions": "Is it right?"},
    {"type": "choice", "instructions": "Which?", "choices": [{"value": "a"}, {"value": "b", "description": "bee"}]},
    {"type": "score", "instructions": "Is it right?", "levels": [{"label": "no"}, {"label": "yes"}]},
]
STATE = "3 * 8 = 24"
RIGHT = expected(Item("Is it right?", (STATE,)))[0]
CHOICES = softmax_of_logits([expected(Item(f"{STATE}\n\nWhich?", (text,)))[0] for text in ("a", "b: bee")])


@pytest.fixture
def client(start: Start) -> Client:
    return start(name="m", api_key="k")


@pytest.fixture
def litellm() -> Any:
    pytest.importorskip("litellm")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module("litellm")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("provider", ["hosted_vllm", "cohere", "jina_ai", "huggingface"])
def test_litellm_reranks(provider: str, client: Client, litellm: Any) -> None:
    reply = litellm.rerank(
        model=f"{provider}/m", query="Make 24.", documents=TEXTS, top_n=2, api_base=client.url, api_key="k"
    )
    assert [row["index"] for row in reply.results][:2] == ORDER[:2]
    assert [row["relevance_score"] for row in reply.results][:2] == [VALUES[index] for index in ORDER[:2]]
    assert reply.results[0]["document"]["text"] == TEXTS[ORDER[0]]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("provider", ["hosted_vllm", "openai"])  # the first asks System One, the second decisions
def test_litellm_decides(provider: str, client: Client, litellm: Any) -> None:
    reply = litellm.decisions(f"{provider}/m", input=STATE, questions=QUESTIONS, api_base=client.url, api_key="k")
    right, which, how = reply.answers
    assert right.probability == RIGHT
    assert [row.probability for row in which.probabilities] == pytest.approx(CHOICES)
    assert which.choice == ["a", "b"][CHOICES.index(max(CHOICES))]
    assert how.score == pytest.approx(RIGHT)
    assert [row.label for row in how.probabilities] == ["no", "yes"]
    assert reply.usage.input_tokens > 0


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_litellm_tells_of_a_refusal(client: Client, litellm: Any) -> None:
    with pytest.raises(Exception, match="is empty"):
        litellm.rerank(model="hosted_vllm/m", query="q", documents=["a", " "], api_base=client.url, api_key="k")
    with pytest.raises(litellm.AuthenticationError):
        litellm.rerank(model="hosted_vllm/m", query="q", documents=["a"], api_base=client.url, api_key="wrong")


@pytest.mark.slow
def test_openai_lists_models_and_posts_what_its_decisions_will(client: Client) -> None:
    openai = pytest.importorskip("openai")
    with openai.OpenAI(base_url=f"{client.url}/v1", api_key="k") as api:
        [model] = api.models.list().data
        assert (model.id, model.owned_by) == ("m", "reflectree")
        body = {"model": "m", "input": STATE, "questions": QUESTIONS}
        answers = api.post("/decisions", body=body, cast_to=object)["answers"]
        assert [answer["type"] for answer in answers] == ["predicate", "choice", "score"]
        assert answers[0]["probability"] == RIGHT
        with pytest.raises(openai.UnprocessableEntityError, match="unknown_field"):
            api.post("/decisions", body={**body, "temperature": 0}, cast_to=object)


@pytest.mark.slow
def test_openai_decides(client: Client) -> None:
    openai = pytest.importorskip("openai")
    with openai.OpenAI(base_url=f"{client.url}/v1", api_key="k") as api:
        if not hasattr(api, "decisions"):
            pytest.skip("this version of openai has no `decisions`")
        reply = api.decisions.create(model="m", input=STATE, questions=QUESTIONS)
        assert reply.answers[0].probability == RIGHT


async def test_our_own_client_gets_each_paths_scores(client: Client) -> None:
    from reflectree.models.resolve_values import value_model
    from reflectree.rlm_ops.step import Path, Step
    from reflectree.rlm_ops.task import Task

    model = value_model(f"{client.url}#m", api_key="k")
    paths = [Path(Task(f"question {n}"), tuple(Step(f"step {k}") for k in range(1 + n % 3))) for n in range(7)]
    scores = await model.score_steps(paths)
    values = await model.score(paths)
    await model.aclose()
    items = [Item(path.task.prose, tuple(step.text for step in path.steps)) for path in paths]
    assert [tuple(found) for found in scores] == [expected(item) for item in items]
    assert list(values) == [expected(item)[-1] for item in items]
