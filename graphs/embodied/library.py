"""A few pages on this machine, found by their words: rare words count more, and nothing is sent anywhere."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping

SHOWN = 3
"""Most passages of one look-up."""
_WORD = re.compile(r"[^\W_]+")


class Library:
    """Pages by title.

    >>> Library({"Tides": "The moon pulls at the sea.", "Bread": "Flour and water."}).find("why has the sea tides")
    'Tides: The moon pulls at the sea.'
    """

    def __init__(self, pages: Mapping[str, str]) -> None:
        self._pages = dict(pages)
        self._words = {title: set(_words(f"{title} {text}")) for title, text in pages.items()}
        self._pages_with = Counter(word for words in self._words.values() for word in words)

    def find(self, words: str) -> str:
        """The pages nearest to some words, the nearest first; where there are none, the titles there are."""
        wanted = set(_words(words))
        scored = {title: sum(map(self._weight, wanted & held)) for title, held in self._words.items()}
        nearest = sorted((title for title in scored if scored[title] > 0), key=lambda title: (-scored[title], title))
        if not nearest:
            return f"Nothing was found. There are: {'; '.join(self._pages) or 'no pages'}."
        return "\n".join(f"{title}: {self._pages[title]}" for title in nearest[:SHOWN])

    def _weight(self, word: str) -> float:
        """How much a word tells: nothing, where every page has it."""
        return math.log(len(self._pages) / self._pages_with[word]) if len(self._pages) > 1 else 1.0


def _words(text: str) -> list[str]:
    """The words, in one case and without a plural's end."""
    return [word.removesuffix("s") if len(word) > 3 else word for word in _WORD.findall(text.casefold())]
