"""Optional packages: imported where they are used, with an error that names what to install."""

from __future__ import annotations

import importlib
from typing import Any

from reflectree.rlm_ops.errors import MissingExtra


def require(module: str, extra: str, purpose: str) -> Any:
    """Import an optional module.

    Args:
        module: Dotted name of the module.
        extra: The extra of this distribution that installs it.
        purpose: What needs it, as the beginning of the error's sentence.

    Raises:
        MissingExtra: It is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        missing = error.name or module
        raise MissingExtra(
            f"{purpose} needs {missing}, which is not installed: pip install 'reflectree[{extra}]'"
        ) from error
