"""Settings of recall, as a blueprint holds them; they are defined with the blueprint's other words."""

from __future__ import annotations

from reflectree.rlm_ops.remembering import Recall, Weights

__all__ = ["Recall", "Weights"]
