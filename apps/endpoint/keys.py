"""Who may ask: bearer keys, each with a name and with limits of its own.

A key is kept as its SHA-256 alone. Its name is what logs, metrics and records say; its value is said nowhere. What the
limits do is in `reflectree.apps.endpoint.limits`.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from reflectree.models.http.errors import ApiError
from reflectree.rlm_ops.errors import BadInput

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"


class Key(BaseModel):
    """One who may ask, and how much; a limit that is absent is none.

    Attributes:
        name: What logs and metrics call it.
        digest: SHA-256 of the key, in hexadecimal; empty where nobody is asked for a key.
        requests_per_minute: Runs begun, over any minute; as many may come at once.
        concurrent: Runs under way at once.
        usd_per_day: Dollars of a UTC day. Wants models whose price is known.
        tokens_per_day: Prompt and completion tokens of a UTC day.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    name: str = Field(pattern=NAME)
    digest: str = Field(default="", repr=False)
    requests_per_minute: float | None = Field(default=None, gt=0)
    concurrent: int | None = Field(default=None, gt=0)
    usd_per_day: float | None = Field(default=None, ge=0)
    tokens_per_day: int | None = Field(default=None, ge=0)


ANYONE = Key(name="anyone")
"""Who asks where no key is asked for."""


class Keys:
    """All who may ask.

    Args:
        keys: Their keys; none lets anyone ask.
    """

    def __init__(self, keys: Iterable[Key] = ()) -> None:
        self._keys = tuple((key.digest.encode(), key) for key in keys)

    def __bool__(self) -> bool:
        return bool(self._keys)

    def __iter__(self) -> Any:
        return iter([key for _, key in self._keys] or [ANYONE])

    def find(self, authorization: str | None) -> Key:
        """Whose key a request's `Authorization` holds; takes the same time whichever it is, and whatever was sent.

        Raises:
            ApiError: There is none, or nobody's (401).
        """
        if not self._keys:
            return ANYONE
        scheme, _, given = (authorization or "").partition(" ")
        # headers are told as latin-1, whatever their bytes mean
        sent = hashlib.sha256(given.strip(" ").encode("latin-1", "replace")).hexdigest().encode()
        found = None
        for digest, key in self._keys:
            if hmac.compare_digest(sent, digest):
                found = key
        if found is None or scheme.lower() != "bearer":
            said = "this server asks for a key: send the header 'Authorization: Bearer KEY' with the right one"
            raise ApiError(401, "invalid_api_key", said, headers={"WWW-Authenticate": "Bearer"})
        return found


def digest_of(key: str) -> str:
    """The SHA-256 of a key, in hexadecimal."""
    return hashlib.sha256(key.encode()).hexdigest()


def read_keys(env: str | None = None, file: str | os.PathLike[str] | None = None) -> Keys:
    """The keys that a server is started with.

    Args:
        env: The environment variable that holds a key without limits.
        file: A YAML or JSON file: a list of entries with a `name`, the key as `sha256` (hexadecimal) or `env` (the
            variable that holds it), and limits as in `Key`.

    Raises:
        BadInput: A variable is not set, or the file is none of keys.
    """
    found = [] if env is None else [Key(name="default", digest=digest_of(_variable(env, "--api-key-env")))]
    if file is not None:
        found += [_entry(row, index, file) for index, row in enumerate(_rows(file))]
    for kind in ("name", "digest"):
        seen: dict[str, str] = {}
        for key in found:
            if (value := getattr(key, kind)) in seen:
                what = (
                    f"two keys are called {key.name!r}"
                    if kind == "name"
                    else f"{seen[value]} and {key.name} are one key"
                )
                raise BadInput(f"{file}: {what}: give each its own")
            seen[value] = key.name
    return Keys(found)


def _variable(env: str, place: str) -> str:
    key = os.environ.get(env, "").strip()
    if not key:
        raise BadInput(f"{place}: the environment variable {env} is not set: put the key in it, or leave it out")
    return key


def _rows(file: str | os.PathLike[str]) -> list[Any]:
    try:
        data = yaml.safe_load(Path(file).read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"cannot read the keys in {file}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadInput(f"{file} is neither YAML nor JSON: check it with a parser") from error
    rows = data.get("keys") if isinstance(data, Mapping) else data
    if not isinstance(rows, list) or not rows:
        raise BadInput(f"{file} holds no keys: write a list of entries with name: and sha256: or env:")
    return rows


def _entry(row: Any, index: int, file: str | os.PathLike[str]) -> Key:
    """One key of a file; what is wrong with it is said without the values that stand there."""
    place = f"{file}: key {index + 1}"
    if not isinstance(row, Mapping):
        raise BadInput(f"{place}: write name: and sha256: or env:")
    words = {str(name): value for name, value in row.items()}
    digest, env = words.pop("sha256", None), words.pop("env", None)
    if "key" in words or "digest" in words:
        raise BadInput(f"{place}: a key itself is not written here: give its sha256:, or env: with a variable's name")
    if (digest is None) == (env is None):
        raise BadInput(f"{place}: give either sha256: or env:")
    if env is not None:
        digest = digest_of(_variable(str(env), place))
    if isinstance(digest, int | float):
        raise BadInput(f"{place}: sha256: was read as a number: put it in quotes")
    if not re.fullmatch(r"[0-9a-f]{64}", str(digest).lower()):
        raise BadInput(f"{place}: sha256: wants 64 hexadecimal digits, as `printf %s KEY | sha256sum` prints them")
    try:
        return Key.model_validate({**words, "digest": str(digest).lower()})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        said = "is not known" if first["type"] == "extra_forbidden" else first["msg"].lower()
        raise BadInput(f"{place}: {where}: {said}") from None
