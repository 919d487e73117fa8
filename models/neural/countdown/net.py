"""The network: a character-level Llama with a third of a million parameters, and its vocabulary.

Texts of the model: a state is `24|3 5 8 12>`, a step is `+8 3` and a line's end. The operation stands first, so that
the state's last position must already know what can be reached: that is what the value head reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reflectree.models.neural.countdown.game import Move, State, after

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

PAD, END = "<pad>", "\n"
ALPHABET = "0123456789| >+-*"
VOCABULARY = [PAD, END, *ALPHABET]
IDS = {token: place for place, token in enumerate(VOCABULARY)}
PAD_ID, END_ID = IDS[PAD], IDS[END]
MOST_STEP = 16
"""Characters of the longest step, with the line's end."""
CONTEXT = 96


def spell(at: State) -> str:
    """A state as the model reads it."""
    return f"{at.target}|{' '.join(map(str, at.numbers))}>"


def spell_move(move: Move) -> str:
    """A step as the model writes it, without the line's end."""
    return f"{move.operation}{move.left} {move.right}"


def read_move(text: str, at: State) -> tuple[Move, State] | None:
    """The move a model wrote and the state after it; `None` where it is none of this state."""
    left, gap, right = text[1:].partition(" ")
    if not (gap and left.isdecimal() and right.isdecimal() and len(text) <= MOST_STEP):
        return None
    move = Move(text[0], int(left), int(right))
    found = after(at, move)
    return None if found is None or text != spell_move(move) else (move, found)


def ids(text: str) -> list[int]:
    """Token ids of a text of the alphabet."""
    return [IDS[character] for character in text]


def config(hidden: int = 96, layers: int = 3, heads: int = 4) -> Any:
    """The network's configuration."""
    from transformers import LlamaConfig

    return LlamaConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=hidden,
        intermediate_size=hidden * 8 // 3,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=END_ID,
        pad_token_id=PAD_ID,
        attention_dropout=0.0,
        use_cache=False,
    )


def new_policy(hidden: int = 96, layers: int = 3, heads: int = 4) -> LlamaForCausalLM:
    """An untrained policy; seed torch before."""
    from transformers import LlamaForCausalLM

    return LlamaForCausalLM(config(hidden, layers, heads))


def tokenizer() -> PreTrainedTokenizerFast:
    """The vocabulary as a tokenizer of transformers: one token a character."""
    from tokenizers import Regex, Tokenizer
    from tokenizers.decoders import Fuse
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Split
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(WordLevel(dict(IDS), unk_token=PAD))
    made.pre_tokenizer = Split(Regex(r"[\s\S]"), "isolated")
    made.decoder = Fuse()
    return PreTrainedTokenizerFast(tokenizer_object=made, pad_token=PAD, eos_token=END, model_max_length=CONTEXT)
