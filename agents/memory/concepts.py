"""The concept learner: what is necessary to what in a family of problems, in CLIN's four forms.

It sees the statements learnt before (CLIN's memory of the latest trials) and says which hold, with how much certainty.
Support and counter-evidence are counted elsewhere, by tasks.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from reflectree.agents.memory.base import Episode, Item, Learnt, last_object, rows_of, words
from reflectree.agents.prompts.remembering import concepts_schema, relating
from reflectree.memory.records.kinds import SHORT, Certainty, Relation
from reflectree.models.base import Message
from reflectree.rlm_ops.remembering import Learn


class Form(NamedTuple):
    """One of CLIN's forms as a typed relation."""

    relation: Relation
    polarity: bool
    certainty: Certainty


FORMS: dict[str, Form] = {
    "may be necessary": Form("necessary", True, "may"),
    "should be necessary": Form("necessary", True, "should"),
    "may not contribute": Form("contributes", False, "may"),
    "does not contribute": Form("contributes", False, "should"),
}


class ConceptLearner:
    """Causal abstractions."""

    def ask(self, episode: Episode, stage: Learn) -> tuple[tuple[Message, ...], dict[str, Any] | None]:
        """What is necessary to what?"""
        earlier = [known.text for known in episode.known]
        turns = relating(episode.task, episode.last, episode.verdict.told, earlier, most=stage.most)
        return turns, concepts_schema(stage.most)

    def read(self, text: str, episode: Episode, stage: Learn) -> Learnt | str:
        """The statements in one of the four forms; the others are dropped."""
        found = last_object(text, "statements")
        rows = rows_of(found.get("statements")) if found is not None else None
        if rows is None:
            return "the reply holds no list of statements"
        claims = [claim for row in rows if (claim := read_claim(row)) is not None]
        if rows and not claims:
            return "none of the statements has one of the four forms"
        unique = {(claim["left"].casefold(), claim["right"].casefold()): claim for claim in claims}
        return Learnt(tuple(unique.values())[: stage.most])


def read_claim(row: dict[str, Any]) -> Item | None:
    """A statement, or `None` where it has none of the forms."""
    form = FORMS.get(" ".join(str(row.get("relation", "")).casefold().split()).removesuffix(" to"))
    left, right = words(row, "cause", SHORT), words(row, "effect", SHORT)
    if form is None or not left or not right or left.casefold() == right.casefold():
        return None
    return {"kind": "concept", "left": left, "right": right, **form._asdict()}
