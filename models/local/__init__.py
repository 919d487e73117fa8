"""Policies over weights in a folder: `policy` is the `PolicyModel`, `prompts` reads requests, `worker` owns the thread.

None of them imports torch or transformers before a model is used.
"""

from reflectree.models.local.policy import TransformersPolicy

__all__ = ["TransformersPolicy"]
