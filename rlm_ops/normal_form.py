"""The one normal form of answers: the form in which they are compared and votes are counted.

It computes nothing (`6/8` stays `6/8`, and `8/2` is not `4`), so that an answer which is an expression keeps its
meaning. It is for comparing only: letter case is lost, so verifiers get the answer as it was written. Linear in the
length of the answer, whatever it is.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

_SYMBOLS = str.maketrans({
    "\u2212": "-", "\u2013": "-", "\u2010": "-", "\u2011": "-", "\ufe63": "-", "\uff0d": "-",
    "\u00d7": "*", "\u22c5": "*", "\u00b7": "*", "\u2217": "*", "\u00f7": "/", "\u2044": "/", "\u2215": "/",
    "\u201c": '"', "\u201d": '"', "\u2018": "'", "\u2019": "'", "\uff1d": "=", "\uff0b": "+",
})  # fmt: skip
_CURRENCY = str.maketrans("", "", "$\u20ac\u00a3\u00a5\u20b9")
_MAX_PASSES = 16
_MAX_EXPANDED = 60
"""Digits up to which a number is written out; longer ones keep an exponent."""

_NUMBER = r"[+-]?(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)?(?:\.[0-9]*)?(?:e[+-]?[0-9]{1,6})?"
_LEADING_NUMBER = re.compile(_NUMBER + r"(?=$|[ %\u00b0])")
_LATEX_DROPPED = re.compile(
    r"\\(?:left|right|displaystyle|textstyle|big|bigl|bigr|limits|quad|qquad)(?![a-z])|\\[,;!: ]|\\[()\[\]]"
)
_LATEX_WRAPPER = re.compile(
    r"\\(?:boxed|fbox|text|textbf|textit|textrm|mathrm|mathbf|mathit|mathsf|operatorname|mbox|emph)\*? ?\{([^{}]*)\}"
)
_LATEX_FRACTION = re.compile(r"\\[dtc]?frac ?(?:\{([^{}]*)\}|([0-9])) ?(?:\{([^{}]*)\}|([0-9a-z]))")
_LATEX_ROOT = re.compile(r"\\sqrt ?(?:\{([^{}]*)\}|([0-9a-z]))")
_LATEX_SCRIPT = re.compile(r"([\^_]) ?\{([^{}]*)\}")
_LATEX_NAMES = re.compile(
    r"\\(times|cdot|ast|div|pi|infty|le|leq|ge|geq|ne|neq|circ|degree|pm|sin|cos|tan|log|ln|exp)(?![a-z])"
)
_LATEX_MEANING = {
    "times": "*", "cdot": "*", "ast": "*", "div": "/", "leq": "<=", "le": "<=", "geq": ">=", "ge": ">=",
    "ne": "!=", "neq": "!=", "infty": "infinity", "circ": "\u00b0", "degree": "\u00b0", "pm": "+-",
}  # fmt: skip
_AROUND_OPERATOR = re.compile(r" ?([-+*/=^<>()\[\]%]) ?")
_COMMA = re.compile(r" ?, ?")
_SIMPLE = re.compile(r"[\w.]*")
_ASSIGNED = re.compile(r"[^\W\d]\w{0,23}(?:\^?\u2032)?=(?=[^=])")
_WRAPPING = (("`", "`"), ('"', '"'), ("'", "'"), ("**", "**"))


def normalise(answer: str) -> str:
    r"""The form in which answers are compared; normalising twice changes nothing more.

    Lower case, single spaces and none around operators, LaTeX wrappers and currency signs gone, `\frac{a}{b}` as
    `a/b`, `x = 5` as `5`, numbers as plain decimals (`+1,234.50` as `1234.5`, `1e3` as `1000`, `-0` as `0`). Units
    stay, nothing is computed. An answer made only of signs that would vanish is kept.
    """
    tidy = _tidy(answer)
    current = tidy
    for _ in range(_MAX_PASSES):
        following = _tidy(_simplify(current))
        if following == current:
            return current or tidy
        current = following
    return tidy  # nested beyond reason: the same for every form of this text, so still idempotent


def same_answer(a: str, b: str) -> bool:
    """Whether two answers are one vote: their normal forms are equal. Two empty answers are not an answer."""
    first = normalise(a)
    return bool(first) and first == normalise(b)


def _tidy(text: str) -> str:
    return " ".join(text.translate(_SYMBOLS).lower().split())


def _simplify(text: str) -> str:
    if "\\" in text or "{" in text:
        text = _plain_latex(text)
    text = text.translate(_CURRENCY).strip().rstrip(" .,;:")
    for opening, closing in _WRAPPING:
        inner = text[len(opening) : -len(closing)]
        if inner and text.startswith(opening) and text.endswith(closing) and opening not in inner:
            text = inner
    text = _AROUND_OPERATOR.sub(r"\1", text.strip())
    text = _unassigned(text)
    text = _canonical_start(text)
    return _COMMA.sub(", ", text)


def _plain_latex(text: str) -> str:
    text = text.replace("{,}", ",").replace("\\%", "%").replace("\\$", "").replace("\\{", "{").replace("\\}", "}")
    text = _LATEX_DROPPED.sub("", text)
    text = _LATEX_NAMES.sub(lambda match: _LATEX_MEANING.get(match[1], match[1]), text)
    text = _LATEX_WRAPPER.sub(r"\1", text)
    text = _LATEX_ROOT.sub(lambda match: f"sqrt({match[1] or match[2] or ''})", text)
    text = _LATEX_SCRIPT.sub(lambda match: match[1] + _grouped(match[2]), text)
    return _LATEX_FRACTION.sub(_fraction, text)


def _fraction(match: re.Match[str]) -> str:
    above = match[1] if match[1] is not None else match[2]
    below = match[3] if match[3] is not None else match[4]
    return f"{_grouped(above)}/{_grouped(below)}"


def _grouped(expression: str) -> str:
    expression = expression.strip()
    return expression if _SIMPLE.fullmatch(expression) else f"({expression})"


def _unassigned(text: str) -> str:
    """`x=5` as `5`, where there is one equals sign and a bare name before it."""
    match = _ASSIGNED.match(text)
    return text[match.end() :] if match and "=" not in text[match.end() :] else text


def _canonical_start(text: str) -> str:
    """`text` with the number it begins with, alone or before a unit, in canonical form."""
    match = _LEADING_NUMBER.match(text)
    if match is None or not any(character.isdigit() for character in match.group()):
        return text
    return _canonical_number(match.group()) + text[match.end() :]


def _canonical_number(number: str) -> str:
    try:
        value = Decimal(number.replace(",", ""))
    except InvalidOperation:
        return number
    if not value:
        return "0"
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        return number
    body = "".join(map(str, digits)).lstrip("0")
    kept = body.rstrip("0")
    exponent += len(body) - len(kept)
    return ("-" if sign else "") + _written(kept, exponent)


def _written(digits: str, exponent: int) -> str:
    """`digits * 10^exponent` as a plain decimal, or with an exponent where that would be very long."""
    if max(exponent, -exponent - len(digits)) > _MAX_EXPANDED:
        return f"{digits}e{exponent}"
    if exponent >= 0:
        return digits + "0" * exponent
    whole, part = digits[:exponent], digits[exponent:].rjust(-exponent, "0")
    return f"{whole or '0'}.{part}"
