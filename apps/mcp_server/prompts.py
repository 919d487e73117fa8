"""The prompt: what a person picks in a host to have a question thought through and its answer checked."""

from __future__ import annotations

from collections.abc import Mapping

from mcp import types

from reflectree.apps.mcp_server.offer import Offer
from reflectree.apps.mcp_server.surface import ServedPrompt
from reflectree.rlm_ops.errors import BadInput

_WORDS = """\
Answer the question below with the tool `reason`{how}.

1. Write the question so that it is complete in itself, and put what it rests on (text, data, code) into `context`.
2. Look at the score. If it is under 0.5, or there is no answer, look at the search with `show_trace` and ask once \
more: with a clearer question, another blueprint from `list_blueprints`, or a larger budget.
3. Give the answer in your own words, and say how sure the search was.

The question:

{question}"""


def prompts(offer: Offer) -> list[ServedPrompt]:
    """The prompts of a server."""

    def get(given: Mapping[str, str]) -> types.GetPromptResult:
        question, name = given.get("question", ""), given.get("blueprint")
        if not question.strip():
            raise BadInput("question: this argument is needed")
        how = f" and the blueprint `{offer.blueprint(name).name}`" if name else ""
        text = types.TextContent(text=_WORDS.format(how=how, question=question))
        return types.GetPromptResult(
            description="A question to be thought through", messages=[types.PromptMessage(role="user", content=text)]
        )

    shown = types.Prompt(
        name="think_through",
        title="Think a question through",
        description="Have a question reasoned about, the search looked at, and the answer told with its certainty.",
        arguments=[
            types.PromptArgument(name="question", description="What is to be answered.", required=True),
            types.PromptArgument(name="blueprint", description="The reasoning system.", required=False),
        ],
    )
    return [ServedPrompt(shown, get, {"blueprint": list(offer.blueprints)})]
