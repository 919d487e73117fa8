"""Tokens become text one after the other, and end where they should."""

from __future__ import annotations

from collections.abc import Sequence

from reflectree.models.local.jobs import Job, Transcript

STEP, END = 256, 257


def decode(ids: Sequence[int]) -> str:
    """Bytes; special tokens are left out."""
    return bytes(i for i in ids if i < 256).decode("utf-8", "replace")


def written(text: bytes | list[int], **changes: object) -> Transcript:
    given = {"ends": frozenset({END}), "max_tokens": 100, **changes}
    transcript = Transcript(Job((1,), decode, **given))  # type: ignore[arg-type]
    for token in text:
        transcript.push(token)
        if transcript.finish:
            break
    return transcript


def test_characters_appear_when_they_are_whole() -> None:
    transcript = written("é".encode()[:1])
    assert transcript.text == ""
    transcript.push("é".encode()[1])
    assert transcript.text == "é"
    assert transcript.finish is None


def test_what_is_cut_within_a_character_says_so() -> None:
    transcript = written("aé".encode()[:2], max_tokens=2)
    assert (transcript.text, transcript.finish) == ("a\ufffd", "length")


def test_an_end_token_is_written_and_not_in_the_text() -> None:
    transcript = written([*b"ab", END])
    assert (transcript.text, transcript.finish, transcript.tokens[-1]) == ("ab", "stop", END)


def test_a_stop_string_is_left_out_wherever_tokens_are_cut() -> None:
    assert written(b"one two three", stop=("two", "thr")).text == "one "
    assert written(b"a\nb", stop=("\n",)).finish == "stop"
    assert written(b"aab", stop=("b", "ab")).text == "a"
    both = written(b"xaab", stop=("aab", "ab"))
    assert both.text == "x"


def test_a_stop_string_at_the_last_token_counts() -> None:
    transcript = written(b"ab.", stop=(".",), max_tokens=3)
    assert (transcript.text, transcript.finish) == ("ab", "stop")


def test_ends_of_steps_are_line_breaks_of_a_whole_solution() -> None:
    transcript = written([*b"one", STEP, *b"Answer: 2", STEP, END], breaks=STEP)
    assert (transcript.text, transcript.finish) == ("one\nAnswer: 2", "stop")


def test_a_copy_goes_its_own_way() -> None:
    first = written(b"ab")
    second = first.copy()
    second.push(ord("c"))
    first.push(ord("d"))
    assert (first.text, second.text) == ("abd", "abc")
    assert (first.tokens[-1], second.tokens[-1]) == (ord("d"), ord("c"))


def test_the_first_token_is_read_with_what_stands_before_it() -> None:
    def spaced(ids: Sequence[int]) -> str:
        """As tokenizers of SentencePiece do: a leading space is dropped."""
        return decode(ids).removeprefix(" ")

    alone, behind = Transcript(Job((1,), spaced)), Transcript(Job((1,), spaced, lead=(65,)))
    for transcript in (alone, behind):
        for token in b" b":
            transcript.push(token)
    assert alone.text == "b"
    assert behind.text == " b"
