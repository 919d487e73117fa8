"""The curator: proposes operations on the rules (ExpeL), or writes a sheet of notes anew (Dynamic Cheatsheet).

It proposes only. Votes, the cap on rules and what becomes of a rule nobody votes for are pure rules elsewhere.
"""

from __future__ import annotations

from typing import Any

from reflectree.agents.memory.base import Episode, Item, Learnt, last_object, rows_of, says_anything, words
from reflectree.agents.prompts.remembering import OPERATIONS, curating, edits_schema, sheeting
from reflectree.memory.records.kinds import LONG
from reflectree.memory.records.texts import plain
from reflectree.models.base import Message
from reflectree.rlm_ops.remembering import Learn


class Curator:
    """ExpeL's operations: ADD, EDIT, AGREE, REMOVE; each rule is touched at most once a reply."""

    def ask(self, episode: Episode, stage: Learn) -> tuple[tuple[Message, ...], dict[str, Any] | None]:
        """What should become of the rules?"""
        rules = [known.text for known in episode.known]
        full = len(rules) >= stage.capacity
        turns = curating(episode.task, episode.clipped, episode.verdict.told, rules, most=stage.most, full=full)
        return turns, edits_schema(stage.most, len(rules))

    def read(self, text: str, episode: Episode, stage: Learn) -> Learnt | str:
        """The operations that can be carried out; the others are dropped."""
        found = last_object(text, "operations")
        rows = rows_of(found.get("operations")) if found is not None else None
        if rows is None:
            return "the reply holds no list of operations"
        edits: list[Item] = []
        touched: set[str] = set()
        for row in rows:
            edit = read_edit(row, episode)
            if edit is not None and (edit["target"] is None or edit["target"] not in touched):
                edits.append(edit)
                touched.add(str(edit["target"]))
        if rows and not edits:
            return "none of the operations can be carried out"
        fresh = [edit for edit in edits if edit["op"] != "ADD" or not episode.echoes(edit["text"])]
        return Learnt(tuple(fresh[: stage.most]))


class SheetWriter:
    """The whole sheet, written anew."""

    def ask(self, episode: Episode, stage: Learn) -> tuple[tuple[Message, ...], dict[str, Any] | None]:
        """What should the sheet say now?"""
        sheet = episode.known[0].text if episode.known else ""
        return sheeting(episode.task, episode.last, sheet, characters=LONG), None

    def read(self, text: str, episode: Episode, stage: Learn) -> Learnt | str:
        """The sheet; one that was cut or says nothing is none."""
        sheet = words({"sheet": text}, "sheet", 2 * LONG, lines=True)
        if not says_anything(sheet):
            return "the sheet says nothing"
        if len(sheet) > LONG:
            return f"the sheet has {len(sheet)} characters, and {LONG} is the most"
        old = episode.known[0] if episode.known else None
        if old is not None and plain(old.text) == plain(sheet):
            return Learnt()
        return Learnt(({"kind": "sheet", "text": sheet, "target": old.id if old else None},))


def read_edit(row: dict[str, Any], episode: Episode) -> Item | None:
    """An operation, or `None` where it is malformed."""
    op = str(row.get("op", "")).strip().upper()
    number, text = row.get("number"), words(row, "text", LONG)
    if op not in OPERATIONS:
        return None
    target = None
    if op != "ADD":
        if type(number) is not int or not 1 <= number <= len(episode.known):
            return None
        target = episode.known[number - 1].id
    if op in ("ADD", "EDIT"):
        if not says_anything(text) or not text.endswith((".", "!", "\u3002")):
            return None  # ExpeL: a rule is a whole sentence
    return {"kind": "edit", "op": op, "target": target, "text": text if op in ("ADD", "EDIT") else ""}
