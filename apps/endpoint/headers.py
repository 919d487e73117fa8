"""The headers of a request that say something of its run: caps, the run's name, and whether it was asked for before."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Literal

from reflectree.models.http.errors import ApiError
from reflectree.rlm_ops.budget import Budget

RUN_HEADER = "x-reflectree-run"
KEY_HEADER = "idempotency-key"
CAP_HEADERS: dict[str, Literal["calls", "tokens", "usd", "seconds"]] = {
    "x-reflectree-max-calls": "calls",
    "x-reflectree-max-tokens": "tokens",
    "x-reflectree-max-usd": "usd",
    "x-reflectree-max-seconds": "seconds",
}
READ = (RUN_HEADER, KEY_HEADER, *CAP_HEADERS)
"""The headers that say something of a run."""

RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_NUMBER = re.compile(r"[0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?")
_UNCAPPED = Budget()
_KEY = re.compile(r"[\x21-\x7e][\x20-\x7e]{0,254}")


def asked_budget(told: Mapping[str, str]) -> Budget:
    """The caps that the client set.

    Raises:
        ApiError: One is no positive number.
    """
    caps: dict[str, Any] = {}
    for header, cap in CAP_HEADERS.items():
        if header not in told:
            continue
        given = told[header].strip()
        number = float(given) if _NUMBER.fullmatch(given) else math.nan
        whole = cap in ("calls", "tokens")
        if not 0 < number < 2**53 or (whole and not number.is_integer()):
            kind = "a whole number above 0" if whole else "a number above 0"
            raise ApiError(422, "invalid_header", f"{_titled(header)}: give {kind}", param=header)
        caps[cap] = int(number) if whole else number
    return Budget(**caps) if caps else _UNCAPPED


def least(asked: Budget, caps: Budget) -> Budget:
    """The smaller cap of each kind."""
    if asked == _UNCAPPED:
        return caps
    pairs = {spec.name: (getattr(asked, spec.name), getattr(caps, spec.name)) for spec in fields(Budget)}
    return Budget(**{name: min((cap for cap in pair if cap is not None), default=None) for name, pair in pairs.items()})


def of_run(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that say something of a run."""
    given = dict(reversed(list(headers.items())))  # of two with one name, the first
    return {name: given[name] for name in READ if given.get(name)}


def asked_run_id(told: Mapping[str, str]) -> str | None:
    """The name that the client gives the run.

    Raises:
        ApiError: It cannot be one.
    """
    return _named(told, RUN_HEADER, RUN_ID, "letters, digits, '.', '_' and '-', at most 64")


def asked_idempotency_key(told: Mapping[str, str]) -> str | None:
    """What says that a request is the same as an earlier one.

    Raises:
        ApiError: It cannot be one.
    """
    return _named(told, KEY_HEADER, _KEY, "printable ASCII, at most 255")


def _named(told: Mapping[str, str], header: str, form: re.Pattern[str], words: str) -> str | None:
    """The word in a header.

    Raises:
        ApiError: It is not of the form it should be.
    """
    given = told.get(header)
    if given is not None and form.fullmatch(given) is None:
        raise ApiError(422, "invalid_header", f"{_titled(header)}: give a name of {words}", param=header)
    return given


def _titled(header: str) -> str:
    return "-".join(word.capitalize() for word in header.split("-"))
