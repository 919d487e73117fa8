"""The embedded model: SmolLM2-135M-Instruct inside this process, no server to start, no key, no price.

`weights` finds and requantises the model file, `tokenizer` turns conversations into token ids, `engine` runs llama.cpp,
`policy` is the `PolicyModel`. None of them imports an optional package before it is needed.
"""

from reflectree.models.embedded.policy import EmbeddedPolicy

__all__ = ["EmbeddedPolicy"]
