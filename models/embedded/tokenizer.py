"""SmolLM2's tokenizer and chat template in plain Python, read from the model file.

Why not ask llama.cpp: a budget must know the exact length of a prompt before the model is loaded, and ids built here
keep a `<|im_end|>` that a task or an earlier reply contains as ordinary text: only this module can end a turn.
Byte-level BPE as in GPT-2, every digit a token of its own. Decoding is the engine's affair.
"""

from __future__ import annotations

import functools
import itertools
import mmap
import re
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reflectree.models.base import Message
from reflectree.rlm_ops.errors import BadInput

DEFAULT_SYSTEM = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
# llama.cpp's pre-tokenizer "smollm": digits are cut off first, then GPT-2's pattern splits what lies between them.
# `re` has no class for numbers that are no decimal digits: the common blocks of them are listed.
_DIGITS = re.compile(r"([\d²³¹¼-¾⁰-⁹₀-₉⅐-↋①-⓿])")
_PIECES = re.compile(r"'(?:s|t|re|ve|m|ll|d)| ?[^\W\d_]+| ?(?:[^\s\w]|_)+|\s+(?!\S)|\s+| ?[^\s]")


def read_metadata(path: Path, wanted: Sequence[str]) -> dict[str, Any]:
    """The values of some metadata keys of a GGUF file (v3).

    Raises:
        BadInput: It is not a GGUF file, or it ends early.
    """
    try:
        with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            if data[:4] != b"GGUF":
                raise BadInput(f"{path} is not a GGUF file")
            return _Cursor(data).fields(set(wanted))
    except (struct.error, UnicodeDecodeError, KeyError, ValueError, IndexError) as error:
        raise BadInput(f"{path} is a damaged GGUF file: {error!r}") from error


class _Cursor:
    """Reads GGUF values one after the other."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._at = 16

    def fields(self, wanted: set[str]) -> dict[str, Any]:
        (count,) = self._take("Q")
        found: dict[str, Any] = {}
        for _ in range(count):
            key = self._string()
            value = self._value(self._take("I")[0])
            if key in wanted:
                found[key] = value
                if len(found) == len(wanted):
                    break
        return found

    def _take(self, code: str, count: int = 1) -> tuple[Any, ...]:
        layout = struct.Struct(f"<{count}{code}")
        values = layout.unpack_from(self._data, self._at)
        self._at += layout.size
        return values

    def _string(self) -> str:
        (length,) = self._take("Q")
        start, self._at = self._at, self._at + length
        return self._data[start : self._at].decode("utf-8")

    def _value(self, kind: int) -> Any:
        if kind == _STRING:
            return self._string()
        if kind == _ARRAY:
            inner, length = self._take("I")[0], self._take("Q")[0]
            if inner in _SCALARS:
                return list(self._take(_SCALARS[inner], length))
            return [self._value(inner) for _ in range(length)]
        return self._take(_SCALARS[kind])[0]


def _byte_letters() -> list[str]:
    """GPT-2's printable stand-in for each of the 256 bytes."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    letters = {byte: chr(byte) for byte in printable}
    hidden = (byte for byte in range(256) if byte not in letters)
    letters.update({byte: chr(256 + index) for index, byte in enumerate(hidden)})
    return [letters[byte] for byte in range(256)]


class Tokenizer:
    """Text and conversations to token ids."""

    def __init__(self, tokens: Sequence[str], merges: Sequence[str]) -> None:
        """Take the vocabulary and the merges, most important first, as `a b`."""
        self._ids = {token: index for index, token in enumerate(tokens)}
        self._ranks = {tuple(merge.split(" ")): rank for rank, merge in enumerate(merges)}
        self._letters = _byte_letters()
        self._start, self._end = self._ids["<|im_start|>"], self._ids["<|im_end|>"]
        self._piece = functools.lru_cache(maxsize=65536)(self._encode_piece)
        self._text = functools.lru_cache(maxsize=4096)(self._encode_text)

    @classmethod
    def from_gguf(cls, path: Path) -> Tokenizer:
        """Read vocabulary and merges from a model file (about 0.1 s).

        Raises:
            BadInput: The file is damaged or of another tokenizer.
        """
        keys = ("tokenizer.ggml.pre", "tokenizer.ggml.tokens", "tokenizer.ggml.merges")
        found = read_metadata(path, keys)
        if found.get(keys[0]) != "smollm" or len(found) != len(keys):
            raise BadInput(f"{path} does not hold SmolLM2's tokenizer")
        return cls(found[keys[1]], found[keys[2]])

    def encode(self, text: str) -> tuple[int, ...]:
        """The ids of a text, in which no special token is ever recognised."""
        return self._text(text)

    def encode_chat(self, messages: Sequence[Message], prefill: str = "") -> list[int]:
        """The ids of a conversation with a begun assistant turn at its end (ChatML, as the model's template has it)."""
        turns = list(messages)
        if not turns or turns[0].role != "system":
            turns.insert(0, Message("system", DEFAULT_SYSTEM))
        ids: list[int] = []
        for turn in turns:
            ids += (self._start, *self.encode(f"{turn.role}\n{turn.content}"), self._end, *self.encode("\n"))
        return [*ids, self._start, *self.encode(f"assistant\n{prefill}")]

    def _encode_text(self, text: str) -> tuple[int, ...]:
        ids: list[int] = []
        for index, stretch in enumerate(_DIGITS.split(text)):
            is_digit = index % 2 == 1
            for piece in [stretch] if is_digit else _PIECES.findall(stretch):
                ids += self._piece(piece)
        return tuple(ids)

    def _encode_piece(self, piece: str) -> tuple[int, ...]:
        parts = [self._letters[byte] for byte in piece.encode("utf-8", "replace")]
        last = len(self._ranks)
        while len(parts) > 1:
            ranks = [self._ranks.get(pair, last) for pair in itertools.pairwise(parts)]
            best = min(ranks)
            if best == last:
                break
            at = ranks.index(best)
            parts[at : at + 2] = [parts[at] + parts[at + 1]]
        return tuple(self._ids[part] for part in parts)
