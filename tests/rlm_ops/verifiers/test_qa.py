from __future__ import annotations

import pytest

from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.task import Verifier
from reflectree.rlm_ops.verifiers.qa import choice, f1, normal_span, qa, yes_no


def test_a_span_is_compared_in_squads_normal_form() -> None:
    verifier = qa("The Eiffel Tower")
    assert isinstance(verifier, Verifier)
    assert verifier.gold
    assert "Eiffel" not in repr(verifier)
    assert [verifier.score(answer) for answer in ("eiffel tower.", "an 'Eiffel  Tower'", "Eiffel", "")] == [1, 1, 0, 0]
    assert qa(["Bill Clinton", "William Clinton"]).score("william clinton") == 1.0
    assert qa("U.S.").score("us") == 1.0


def test_f1_counts_words_in_common() -> None:
    verifier = qa(["the tall Eiffel Tower", "tower"], metric="f1")
    assert verifier.score("Eiffel Tower in Paris") == pytest.approx(2 * 2 / (4 + 3))
    assert verifier.score("Tower") == 1.0
    assert verifier.score("Louvre") == 0.0
    assert qa("big red dog").f1("red red dog") == pytest.approx(2 * 2 / 6)


def test_yes_and_no_overlap_with_nothing_else() -> None:
    assert f1("yes", "yes it is") == 0.0
    assert f1("yes it is", "yes") == 0.0
    assert f1("Yes.", "yes") == 1.0


def test_answers_that_are_only_articles_or_signs() -> None:
    assert normal_span("The A!") == "the a!"
    assert qa("A").score("a") == 1.0
    assert qa("A").score("the") == 0.0
    assert qa("+").score("-") == 0.0


@pytest.mark.parametrize(
    ("answer", "score"),
    [
        ("B", 1), ("b", 1), ("(B)", 1), ("B) Mars", 1), ("B.", 1), ("**B**", 1), ("B: Mars", 1), (r"\text{B}", 1),
        ("Option B", 1), ("mars", 1), ("Mars.", 1), ("C", 0), ("Venus", 0), ("But it may be C", 0), ("", 0), ("AB", 0),
        ("B - Mars", 1), ("B, C", 0),
    ],
)  # fmt: skip
def test_choices(answer: str, score: float) -> None:
    assert choice("B", ["Venus", "Mars", "Pluto"]).score(answer) == score


def test_an_article_is_no_letter() -> None:
    assert choice("A", ["Venus", "Mars"]).score("A planet") == 0.0


def test_the_text_of_an_option_goes_before_its_looks() -> None:
    verifier = choice("A", ["B", "A"])
    assert verifier.score("B") == 1.0  # the text of option A
    assert choice("A", ["same", "same"]).score("same") == 0.0


@pytest.mark.parametrize("answer", ["Yes", "yes.", "**Yes**, it is", "True", " TRUE"])
def test_yes(answer: str) -> None:
    assert yes_no(True).score(answer) == 1.0
    assert yes_no(False).score(answer) == 0.0


@pytest.mark.parametrize("answer", ["No", "false", "no: never"])
def test_no(answer: str) -> None:
    assert yes_no(False).score(answer) == 1.0
    assert yes_no(True).score(answer) == 0.0


@pytest.mark.parametrize("answer", ["", "maybe", "not sure", "Nobel", "truest", "yesterday"])
def test_neither(answer: str) -> None:
    assert yes_no(True).score(answer) == yes_no(False).score(answer) == 0.0


def test_what_cannot_be_a_right_answer() -> None:
    for answers in ("", " ", [], ["a", ""]):
        with pytest.raises(BadInput, match="empty"):
            qa(answers)
    with pytest.raises(BadInput, match="exact or f1"):
        qa("a", metric="bleu")  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="A to C"):
        choice("D", ["a", "b", "c"])
    with pytest.raises(BadInput, match="A to Z"):
        choice("AB")
