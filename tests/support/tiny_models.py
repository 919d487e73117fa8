"""Real models with random weights, small enough for a test: Hugging Face folders of the architectures that are served.

The tokenizer is one of bytes (for ASCII: of characters), with the tokens that step formats need: `<|step|>` and
`<extra_0>` as special ones, and `ки` and five newlines merged as a large tokenizer would.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import torch
from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
)

Arch = Literal["llama", "qwen2", "mistral"]

torch.set_num_threads(1)

SPECIAL = ("<pad>", "<unk>", "<bos>", "<eos>", "<|im_start|>", "<|im_end|>", "<extra_0>", "<|step|>")
# In the alphabet of byte-level tokenizers: к is D0 BA, и is D0 B8, and \u010a is a newline.
MERGES = (
    ("\u00d0", "\u00ba"),
    ("\u00d0", "\u00b8"),
    ("\u00d0\u00ba", "\u00d0\u00b8"),
    ("\u010a", "\u010a"),
    ("\u010a\u010a", "\u010a\u010a"),
    ("\u010a\u010a\u010a\u010a", "\u010a"),
)
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
CONFIGS: dict[str, tuple[Any, Any]] = {
    "llama": (LlamaConfig, LlamaForCausalLM),
    "qwen2": (Qwen2Config, Qwen2ForCausalLM),
    "mistral": (MistralConfig, MistralForCausalLM),
}


def tiny_tokenizer(path: str | Path, *, step_token: bool = True, bos: bool = True) -> Any:
    """A fast tokenizer of bytes with a chat template, saved in `path`.

    Args:
        path: A folder; it is made where there is none.
        step_token: It has `<|step|>`.
        bos: It has a token that begins a text.
    """
    special = [token for token in SPECIAL if (step_token or token != "<|step|>") and (bos or token != "<bos>")]
    merged = [left + right for left, right in MERGES]
    vocabulary = {token: i for i, token in enumerate([*special, *sorted(pre_tokenizers.ByteLevel.alphabet()), *merged])}
    backend = Tokenizer(BPE(vocab=vocabulary, merges=list(MERGES), unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token="<pad>",
        unk_token="<unk>",
        eos_token="<eos>",
        bos_token="<bos>" if bos else None,
        additional_special_tokens=[t for t in special if t not in ("<pad>", "<unk>", "<bos>", "<eos>")],
        clean_up_tokenization_spaces=False,
        model_max_length=512,
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    tokenizer.save_pretrained(path)
    return tokenizer


def tiny_config(arch: Arch = "llama", hidden: int = 32, layers: int = 2, **changes: Any) -> Any:
    """The configuration of a tiny model: two key-value heads for four heads, 512 positions."""
    given = {
        "vocab_size": 280,
        "hidden_size": hidden,
        "intermediate_size": 2 * hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
        "pad_token_id": 0,
        "bos_token_id": 2,
        "eos_token_id": 3,
        "tie_word_embeddings": False,
        # Wide enough that random weights tell texts apart: with the usual 0.02 all scores are alike.
        "initializer_range": 0.3,
        **changes,
    }
    return CONFIGS[arch][0](**given)


def tiny_causal_lm(
    path: str | Path, arch: Arch = "llama", hidden: int = 32, layers: int = 2, seed: int = 0, **changes: Any
) -> Any:
    """A causal language model with random weights, saved in `path` with its tokenizer.

    Args:
        path: A folder; it is made where there is none.
        arch: Whose architecture.
        hidden: Width; a multiple of four.
        layers: Depth.
        seed: Of the weights.
        changes: Further fields of the configuration.
    """
    config = tiny_config(arch, hidden, layers, **changes)
    model = seeded(CONFIGS[arch][1], config, seed)
    tiny_tokenizer(path)
    model.save_pretrained(path)
    return model


def seeded(kind: Any, config: Any, seed: int = 0) -> Any:
    """A model of a class in evaluation mode, with random weights of that seed; the global generator is left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return kind(config).eval()
