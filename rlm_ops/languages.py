"""In which language or script a text is, as far as that can be told surely: for replies that drift into another one.

Scripts are told by Unicode blocks, languages of Latin script by function words that no other of the seven has. When
unsure it says nothing.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

FEWEST_WORDS = 12
"""Words from which on a language is told by its function words."""

_FUNCTION_WORDS = {
    "English": "the and of to that this we it for with are then from by have since because which not can there let now "
    "what how many who find does if has each would be is in their they when where so was at or than as an",
    "German": "der die das und ist nicht wir ein eine einen mit für auf den dem von daher dann sind wird zu wie viele "
    "welche was also dass im sich auch es ergibt wenn als aus bei nach wieviel so an in",
    "French": "le les des est et nous une dans pour donc sur ce avec pas du par qui que un la de en il au sont combien "
    "quel quelle cette on alors si plus nombre ou aux ne se",
    "Spanish": "el los las es una un por con del en para lo su hay entonces cada más pero tenemos este que la de se "
    "como cuántos cuántas cuál qué al son si número no",
    "Italian": "il di che gli della una un per sono con nel quindi abbiamo dei più questo anche la le ogni si non "
    "quanti quante quale del è allora numero in da lo i",
    "Portuguese": "os um uma não do da em que com são então na no ao dos das temos cada por para de se como quantos "
    "quantas qual é mais número as portanto pelo",
    "Dutch": "het een en van dat niet zijn voor met te op dus die er wordt hebben aan naar om de is we in hoeveel "
    "welke wat dan ook als bij heeft of",
}
_BLOCKS = [
    (0x41, 0x5A, "Latin"), (0x61, 0x7A, "Latin"), (0xC0, 0x24F, "Latin"), (0x370, 0x3FF, "Greek"),
    (0x400, 0x52F, "Cyrillic"), (0x530, 0x58F, "Armenian"), (0x590, 0x5FF, "Hebrew"), (0x600, 0x77F, "Arabic"),
    (0x900, 0x97F, "Devanagari"), (0x980, 0x9FF, "Bengali"), (0xB80, 0xBFF, "Tamil"), (0xE00, 0xE7F, "Thai"),
    (0x10A0, 0x10FF, "Georgian"), (0x1100, 0x11FF, "Korean"), (0x1E00, 0x1EFF, "Latin"), (0x1F00, 0x1FFF, "Greek"),
    (0x3040, 0x30FF, "Japanese"), (0x3400, 0x9FFF, "Chinese"), (0xAC00, 0xD7AF, "Korean"), (0xF900, 0xFAFF, "Chinese"),
    (0xFB50, 0xFDFF, "Arabic"), (0xFE70, 0xFEFC, "Arabic"), (0x20000, 0x323AF, "Chinese"),
]  # fmt: skip
_STARTS = [block[0] for block in _BLOCKS]
_DENSE = {"Chinese", "Japanese", "Korean"}
"""One character says what about three letters say."""
_LATEX = re.compile(r"\\[a-zA-Z]+|\$[^$]*\$")
_GREEK_WORD = re.compile("[\u0370-\u03ff\u1f00-\u1fff]{4}")
_ABOUT_LANGUAGE = re.compile(
    r"translat|übersetz|tradu|vertaal|переве|翻译|翻訳|번역"
    r"|\b(?:english|german|french|spanish|italian|portuguese|dutch|chinese|mandarin|japanese|korean|russian|arabic"
    r"|greek|hebrew|hindi|thai|latin|language|deutsch|englisch|anglais|français|inglés|español)\b",
    re.IGNORECASE,
)


def _distinctive() -> dict[str, str]:
    """Each function word that one of the languages alone has, with that language."""
    owners: dict[str, list[str]] = {}
    for language, words in _FUNCTION_WORDS.items():
        for word in words.split():
            owners.setdefault(word, []).append(language)
    return {word: languages[0] for word, languages in owners.items() if len(languages) == 1}


_LANGUAGE_OF = _distinctive()


@dataclass(frozen=True, slots=True)
class _Profile:
    """What is known of a question: its scripts, its language where it is in Latin script, and their name."""

    scripts: frozenset[str]
    language: str | None
    name: str
    own: frozenset[str]
    others: frozenset[str]


@lru_cache(maxsize=64)
def _profile(question: str) -> _Profile | None:
    """The profile of a question; None where it has no letters, or speaks of a language itself."""
    if _ABOUT_LANGUAGE.search(question):
        return None
    scripts = _scripts(question)
    if not scripts:
        return None
    weighed = {script: count * (3 if script in _DENSE else 1) for script, count in scripts.items()}
    main = max(weighed, key=weighed.__getitem__)
    if main == "Chinese" and scripts.get("Japanese", 0) * 10 >= scripts["Chinese"]:
        main = "Japanese"
    # Latin letters in a question of another script are names of variables, unless there are many
    present = {script for script in scripts if scripts[script] >= 3 and script != "Latin"} | {main}
    if main == "Japanese":
        present.discard("Chinese")
    if weighed.get("Latin", 0) * 10 >= 3 * sum(weighed.values()):
        present.add("Latin")
    language = _majority(_code_aside(question).lower().split(), least=2, margin=2) if main == "Latin" else None
    return _Profile(
        frozenset(present),
        language,
        language or _script_name(main),
        frozenset(word for word, owner in _LANGUAGE_OF.items() if owner == language),
        frozenset(word for word, owner in _LANGUAGE_OF.items() if owner != language),
    )


def _script_name(script: str) -> str:
    return script if script in _DENSE else f"{script} script"


def _scripts(text: str) -> dict[str, int]:
    """How many letters of each script a text has, code and LaTeX aside; Greek letters count where they make words."""
    text = _LATEX.sub(" ", _code_aside(text))
    counts: dict[str, int] = {}
    for character, count in Counter(text).items():
        if character.isalpha():
            code = ord(character)
            _, end, script = _BLOCKS[max(0, bisect_right(_STARTS, code) - 1)]
            if code <= end:
                counts[script] = counts.get(script, 0) + count
    if "Greek" in counts and not _GREEK_WORD.search(text):
        del counts["Greek"]
    return counts


def _script_of(text: str) -> str | None:
    """The script in which a text is written, where it has a clear majority; Han with kana between is Japanese."""
    counts = _scripts(text)
    if not counts:
        return None
    kana = counts.get("Japanese", 0)
    if kana and kana * 10 >= counts.get("Chinese", 0):
        counts["Japanese"] = kana + counts.pop("Chinese", 0)
    weighed = {script: count * (3 if script in _DENSE else 1) for script, count in counts.items()}
    main = max(weighed, key=weighed.__getitem__)
    clear = weighed[main] >= 24 and 3 * weighed[main] >= 2 * sum(weighed.values())
    return main if clear else None


def _few_han(text: str, question: _Profile) -> bool:
    """Whether a reply to a Japanese question has too few characters to miss the kana in it."""
    return "Japanese" in question.scripts and _scripts(text).get("Chinese", 0) < 20


def _latin_language(text: str, question: _Profile) -> str | None:
    """The language of a text in Latin script, by words that no other of the seven languages has."""
    words = _code_aside(text).lower().split()
    if len(words) < FEWEST_WORDS:
        return None
    own = question.own.intersection(words)
    if len(own) >= 3 and len(own) >= len(question.others.intersection(words)):
        return question.language  # nearly every step ends here
    if sum(map(str.isalpha, words)) < FEWEST_WORDS:
        return None
    return _majority(words, least=4, margin=3)


def _majority(words: list[str], *, least: int, margin: int) -> str | None:
    """The language that has `least` of the words, every seventh, and `margin` times as many as any other."""
    counts = Counter(filter(None, map(_LANGUAGE_OF.get, words)))
    (language, hits), (_, runner_up) = [*counts.most_common(2), ("", 0), ("", 0)][:2]
    letters = sum(map(str.isalpha, words))
    return language if hits >= least and 7 * hits >= letters and hits >= margin * runner_up else None


def _code_aside(text: str) -> str:
    return " ".join(text.split("```")[::2]) if "```" in text else text


def foreign(text: str, like: str) -> str | None:
    """In which language `text` is, if not in that of `like`: `Chinese, not English`; None when unsure.

    First by script, mathematics left out; then, for Latin script, by function words of English, German, French,
    Spanish, Italian, Portuguese and Dutch. A question that speaks of translating or of a language is never judged.

    Args:
        text: The reply.
        like: The question. What is known of it is cached, since all steps of a run have the same.
    """
    question = _profile(like)
    if question is None:
        return None
    found = "Latin" if text.isascii() else _script_of(text)
    if found == "Latin":
        if question.language is None and "Latin" in question.scripts:
            return None
        found = _latin_language(text, question)
        return None if found in (None, question.language) else f"{found}, not {question.name}"
    if found is None or found in question.scripts or (found == "Chinese" and _few_han(text, question)):
        return None
    return f"{_script_name(found)}, not {question.name}"
