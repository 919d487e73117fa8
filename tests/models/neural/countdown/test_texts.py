import pytest

from reflectree.models.neural.countdown.game import Move, after, state
from reflectree.models.neural.countdown.net import read_move, spell, spell_move
from reflectree.models.neural.countdown.texts import expression, puzzle, read_step, read_steps, write_step
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.verifiers import countdown

AT = state(24, [3, 5, 8, 12])


@pytest.mark.parametrize(
    "question",
    [
        "24|3 5 8 12>",
        "24|12 8 5 3",
        "Make 24 of 3, 5, 8 and 12.",
        "Use 3, 5, 8 and 12 to make 24. Use each number exactly once, with + - * / and parentheses.",
        "Using all the numbers 3, 5, 8, 12, create an expression that equals 24.\nYou can only use each number once.",
        "Find a way to make 24 using all of these numbers: 12, 5, 8, 3.\nEach number can only be used once.",
        "Calculate 24 using all of these numbers: 3, 5, 12, 8.\n\nFinal answer format instructions:\n1. Provide ...",
    ],
)
def test_questions_are_read(question: str) -> None:
    assert puzzle(question) == AT


@pytest.mark.parametrize("question", ["", "What is 6 times 7?", "24|", "24|3", "24|1 2 3 4 5 6 7", "x" * 5000])
def test_other_questions_are_refused_with_what_to_ask(question: str) -> None:
    with pytest.raises(BadInput, match=r"Make 24 from"):
        puzzle(question)


def test_steps_in_words_parse_back_exactly() -> None:
    move = Move("+", 8, 3)
    then = after(AT, move)
    assert then is not None
    text = write_step(move, then)
    assert text == "8 + 3 = 11 | 24 from 5 11 12"
    assert read_step(text, AT) == (move, then)


@pytest.mark.parametrize(
    "text",
    ["", "8 + 3 = 12 | 24 from 5 11 12", "8 + 3 = 11 | 25 from 5 11 12", "8 + 3 = 11 | 24 from 5 12",
     "3 - 8 = -5 | 24 from 5 12", "9 + 3 = 12 | 24 from 5 12 12", "8 + 3 = 11"],
)  # fmt: skip
def test_what_is_no_step_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        read_step(text, AT)


def test_several_steps_in_one_text_and_the_answer_line() -> None:
    text = "12 - 8 = 4 | 24 from 3 4 5\n5 - 3 = 2 | 24 from 2 4\n4 * 2 = 8 | 24 from 8\nAnswer: (12 - 8) * (5 - 3)"
    ((made, then),) = read_steps(AT, [text])
    assert then == state(24, [8])
    assert len(made) == 3
    with pytest.raises(BadInput, match="empty"):
        read_steps(AT, [" \n"])


@pytest.mark.parametrize(
    ("made", "written"),
    [
        ([Move("-", 12, 8), Move("-", 5, 3), Move("*", 4, 2)], "(12 - 8) * (5 - 3)"),
        ([Move("+", 5, 3), Move("-", 12, 8), Move("-", 8, 4)], "5 + 3 - (12 - 8)"),
        ([Move("*", 5, 3), Move("*", 15, 8), Move("+", 120, 12)], "5 * 3 * 8 + 12"),
    ],
)
def test_expression_is_right_by_the_verifier(made: list[Move], written: str) -> None:
    found = expression(AT, made)
    assert found == written
    at = AT
    for move in made:
        then = after(at, move)
        assert then is not None
        at = then
    assert countdown([3, 5, 8, 12], at.numbers[0]).score(found) == 1.0


def test_what_the_model_writes_is_read_exactly() -> None:
    assert spell(AT) == "24|3 5 8 12>"
    assert spell_move(Move("+", 8, 3)) == "+8 3"
    assert read_move("+8 3", AT) == (Move("+", 8, 3), state(24, [5, 11, 12]))
    for text in ("", "+", "+3 8", "+08 3", "+8  3", "+8 3 ", "/12 3", "+7 3", "8+3"):
        assert read_move(text, AT) is None
