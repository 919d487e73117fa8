from __future__ import annotations

from pathlib import Path

import pytest

from reflectree.models.scoring.card import FILE, Card, read_card
from reflectree.rlm_ops.errors import BadInput


def test_a_card_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    card = Card(kind="token-classifier", format="qwen-prm", step_tag="<extra_0>", labels=("bad", "good"))
    card.save(tmp_path)
    assert read_card(tmp_path) == card


def test_no_card_is_no_error(tmp_path: Path) -> None:
    assert read_card(tmp_path) is None


@pytest.mark.parametrize("text", ["{", "[]", '{"kind": "oracle"}', '{"kind": "policy", "surprise": 1}'])
def test_what_is_no_card_is_refused_with_its_path(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(BadInput, match=r"reflectree\.json is not a model's card"):
        read_card(tmp_path)
