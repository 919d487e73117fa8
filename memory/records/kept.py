"""What all kinds of memory record have: an origin, a standing, an id and a fingerprint.

It knows no kind. An id is given once, from content, task and run: writing the same again is the same record.
"""

from __future__ import annotations

import hashlib
import json
import re
from abc import abstractmethod
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict

from reflectree.memory.records.origin import Origin
from reflectree.memory.records.standing import Standing
from reflectree.memory.records.texts import check_text, plain
from reflectree.rlm_ops.errors import BadInput

Kind = Literal["experience", "reflection", "concept", "skill"]
ID = re.compile(r"[ercs]-[0-9a-f]{12}")


def check_id(name: str) -> None:
    """Refuse what is no record's id, with `BadInput`."""
    if not ID.fullmatch(name):
        raise BadInput(f"{name[:40]!r} is no record's id: one looks like r-0123456789ab")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What all records have.

    Attributes:
        origin: Where it comes from.
        standing: What has become of it; the ledger's to change.
        id: Its id; made from content, task and run where it is not given.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")
    LIMITS: ClassVar[dict[str, int]] = {}
    WANTED: ClassVar[frozenset[str]] = frozenset()
    origin: Origin
    standing: Standing = field(default_factory=Standing)
    id: str = ""

    def __post_init__(self) -> None:
        for name, limit in self.LIMITS.items():
            check_text(getattr(self, name), f"a {self.named}'s {name}", limit, wanted=name in self.WANTED)
        for parent in self.origin.parents:
            check_id(parent)
        if not self.id:
            said = f"{self.fingerprint}|{self.origin.task}|{self.origin.run}"
            digest = hashlib.sha256(said.encode("utf-8", "replace")).hexdigest()
            object.__setattr__(self, "id", f"{self.named[0]}-{digest[:12]}")
        check_id(self.id)
        if self.id[0] != self.named[0]:
            raise BadInput(f"{self.id!r} is no id of a {self.named}")

    @property
    def named(self) -> Kind:
        """Its kind."""
        kind: Kind = getattr(self, "kind")  # noqa: B009  (a field of every kind, and of no base)
        return kind

    @property
    def content(self) -> dict[str, Any]:
        """The fields that say what was learnt."""
        return {spec.name: getattr(self, spec.name) for spec in fields(self) if spec.name not in _NOT_CONTENT}

    @property
    def fingerprint(self) -> str:
        """Digest of the content in plain form: records that say the same share it, wherever they come from."""
        said = {
            name: plain(value) if isinstance(value, str) else value
            for name, value in self.content.items()
            if name not in _NOT_SAID
        }
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode("utf-8", "replace")).hexdigest()[:16]

    @property
    @abstractmethod
    def key(self) -> str:
        """The text by which it is found."""

    @property
    @abstractmethod
    def told(self) -> str:
        """The text a model is shown."""


_NOT_CONTENT = frozenset({"kind", "origin", "standing", "id"})
_NOT_SAID = frozenset({"version", "trace", "support", "counter"})
