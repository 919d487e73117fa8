"""The runs of one process that a request may join: found by their name, or by the client's word for the same request.

Runs are an owner's own: two keys may use the same name and the same word. What is kept over a restart, and how a run is
begun, is not known here.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

from reflectree.apps.endpoint.requests import Chat
from reflectree.apps.endpoint.shared import Shared
from reflectree.models.http.errors import ApiError

KEPT = 1000
"""Runs that are remembered after their end."""


class Register:
    """The runs that can be joined; one event loop owns it.

    Args:
        kept: How many are remembered after their end.
    """

    def __init__(self, kept: int = KEPT) -> None:
        self._most = kept
        self._live: dict[tuple[str, str], Shared] = {}
        self._words: dict[tuple[str, str], str] = {}
        """The runs' names by the clients' words for them (idempotency keys)."""
        self._kept: OrderedDict[tuple[str, str], str | None] = OrderedDict()

    def __iter__(self) -> Iterator[Shared]:
        return iter(list(self._live.values()))

    def add(self, owner: str, shared: Shared, word: str | None) -> None:
        """Let a run be joined, by its name and by the client's word."""
        self._live[owner, shared.run_id] = shared
        if word is not None:
            self._words[owner, word] = shared.run_id

    def get(self, owner: str, run_id: str) -> Shared | None:
        """The run of a name."""
        return self._live.get((owner, run_id))

    def find(self, owner: str, chat: Chat) -> Shared | None:
        """The run that a request means.

        Raises:
            ApiError: It was begun with something else (409, 422), or is under way under a name alone (409).
        """
        run_id = chat.run_id
        if chat.idempotency_key is not None:
            run_id = self._words.get((owner, chat.idempotency_key), run_id)
        shared = None if run_id is None else self.get(owner, run_id)
        if shared is None:
            return None
        check_same(chat, shared.run_id, shared.digest)
        if chat.idempotency_key is None and not shared.task.done():
            said = f"run {shared.run_id} is under way: wait for it, or send an Idempotency-Key to join it"
            raise ApiError(409, "run_under_way", said, headers={"Retry-After": "1"})
        return shared

    def keep(self, owner: str, run_id: str, word: str | None) -> None:
        """A run has its reply: remember it for a while, and forget the oldest."""
        self._kept[owner, run_id] = word
        while len(self._kept) > self._most:
            (whose, oldest), its_word = self._kept.popitem(last=False)
            self.forget(whose, oldest, its_word)

    def forget(self, owner: str, run_id: str, word: str | None) -> None:
        """A run cannot be joined any more."""
        self._live.pop((owner, run_id), None)
        if word is not None:
            self._words.pop((owner, word), None)


def check_same(chat: Chat, run_id: str, digest: str) -> None:
    """See that a request asks for what a run was begun with.

    Raises:
        ApiError: It does not: another body under the same word (422), or under the same name (409).
    """
    if digest == chat.digest and chat.run_id in (None, run_id):
        return
    if chat.idempotency_key is not None:
        said = "this Idempotency-Key was sent with another request: use a new one for each"
        raise ApiError(422, "idempotency_key_reused", said)
    raise ApiError(409, "run_conflict", f"run {run_id} was begun with another request: use a new name for this one")
