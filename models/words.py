"""A model in words: what can be sent to another process or machine, and built there.

A key never travels, only the name of the environment variable that holds it there. Nothing here opens a connection.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, runtime_checkable

from reflectree.models.base import PolicyModel, Price
from reflectree.models.resolve import policy as resolve_policy
from reflectree.rlm_ops.errors import BadInput


@runtime_checkable
class Words(Protocol):
    """A model in words that can be sent to another machine and built there."""

    def build(self) -> PolicyModel:
        """The model."""
        ...


Named: TypeAlias = str | Words
"""A model by its string, or in words that say more."""


def build(model: Any) -> PolicyModel:
    """A model from its words; one that is an object already stays as it is.

    Raises:
        BadInput: They cannot work here.
    """
    return model.build() if isinstance(model, Words) else resolve_policy(model)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelWords:
    """A model in words that can be sent to another machine.

    Attributes:
        name: Its string, as `openai/gpt-5-mini` or `http://host:port/v1#MODEL`.
        base_url: Root of an OpenAI-compatible endpoint.
        api_key_env: Name of the environment variable that holds the key, there.
        price: Dollars per million prompt and completion tokens.
    """

    name: str
    base_url: str | None = None
    api_key_env: str | None = None
    price: tuple[float, float] | None = None

    def build(self) -> PolicyModel:
        """The policy; no connection is made.

        Raises:
            BadInput: The words cannot work here.
        """
        key = None if self.api_key_env is None else os.environ.get(self.api_key_env)
        if self.api_key_env is not None and not key:
            raise BadInput(f"the environment variable {self.api_key_env} is not set: export it where the runs are made")
        price = None if self.price is None else Price(*self.price)
        return resolve_policy(self.name, base_url=self.base_url, api_key=key, price=price)
