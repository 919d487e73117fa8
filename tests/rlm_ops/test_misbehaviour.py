from __future__ import annotations

import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reflectree.rlm_ops.languages import foreign
from reflectree.rlm_ops.misbehaviour import loops, problem_with, repeats

STEP = (
    "We know that the train travels 60 km in the first hour, so after 3 hours at that speed it has covered 180 km. "
    "The remaining distance is then 240 - 180 = 60 km, which it drives at 40 km/h. That takes 60 / 40 = 1.5 hours, "
    "and the whole journey therefore lasts 3 + 1.5 = 4.5 hours."
)
ENGLISH = "How many hours does the whole journey of the train take?"
GERMAN = (
    "Der Zug fährt in der ersten Stunde 60 km, also ist er nach drei Stunden 180 km weit. Dann sind es noch 60 km, "
    "die er mit 40 km/h fährt, und das ergibt eine Dauer von 1,5 Stunden."
)
FRENCH = (
    "Le train parcourt 60 km dans la première heure, donc nous avons 180 km après trois heures. Il reste 60 km avec "
    "une vitesse de 40 km/h et le trajet est donc plus long pour les passagers."
)
SPANISH = (
    "El tren recorre 60 km en la primera hora, entonces tenemos 180 km y los otros 60 km son más lentos. Hay que "
    "dividir por 40 para cada hora, y el resultado del viaje es una suma con las dos partes."
)
ITALIAN = (
    "Il treno percorre 60 km nella prima ora, quindi abbiamo 180 km e gli altri 60 sono più lenti. Il tempo della "
    "seconda parte è di 1,5 ore, quindi il viaggio dura 4,5 ore per questo treno."
)
PORTUGUESE = (
    "O trem percorre 60 km em uma hora, então temos 180 km depois de três horas. Os outros 60 km são mais lentos e "
    "não temos pressa, portanto o tempo da viagem com as duas partes é a soma do total."
)
DUTCH = (
    "De trein rijdt 60 km in het eerste uur, dus na drie uur hebben we 180 km. Het is dan nog 60 km met een snelheid "
    "van 40 km per uur, en dat zijn voor de reiziger niet te veel uren."
)
CHINESE = "火车在第一个小时行驶了六十公里,所以三个小时后它行驶了 180 公里,剩下的路程是 $240 - 180 = 60$ 公里。"
JAPANESE = "電車は最初の一時間で六十キロメートル走りますので、三時間後には 180 キロメートル走っています。"
RUSSIAN = "Поезд проходит шестьдесят километров за первый час, значит за три часа он проедет 180 километров."
ARABIC = "يسير القطار ستين كيلومترا في الساعة الأولى إذن بعد ثلاث ساعات يكون قد قطع مئة وثمانين كيلومترا"


@pytest.mark.parametrize(
    "text",
    [
        "Wait, let me check that.\n" * 4,
        "Start.\n\n" + "Wait, let me check that again.\n\n" * 5 + "Answer: 5",
        "First we add.\n" + "So x must be 5.\nBut y is then 3.\n" * 6,
        "We begin here. " + "The sum of both is 7 and so on. " * 9 + "The sum of bo",
        "I will think about this again and again. " * 8 + "Answer: 5",
        "the " * 300,
        "1 " * 3000,
        "\\frac" * 200,
        "让我们重新考虑这个问题。" * 6,
        "让我们重新考虑这个问题。\n" * 4,
        "haha" * 200,
    ],
)
def test_a_text_that_repeats_itself_loops(text: str) -> None:
    assert loops(text)
    assert problem_with(text, question="") == "the reply repeats itself"


@pytest.mark.parametrize(
    "text",
    [
        "",
        STEP,
        CHINESE,
        "1 1 1 1 1",
        "Answer: 0.3333333333333",
        "0 0 0 0 0 0 0\n" * 20,
        "\n".join(" ".join("0" * 30) for _ in range(30)),
        "| a | b | c |\n|---|---|---|\n" + "| yes | no | maybe |\n" * 6,
        "up\nup\nup\nup\nup\nup\nright\nright\nright\nright",
        "up up up up up up up up up up up up up up up up right right right right",
        "```python\nmodel = Sequential()\n" + "model.add(Dense(64, activation='relu', name=None))\n" * 5 + "```",
        "\n".join(f"x_{i} = max(x_{i - 1}, y_{i})" for i in range(1, 20)),
        "\n".join(f"{i} is not divisible by 7, so we go on to the next one." for i in range(20, 48)),
        "1/3 + 1/3 + 1/3 + 1/3 + 1/3 + 1/3 + 1/3 + 1/3 + 1/3 + 1/3 + 1/3 + 1/3 = 4",
        "1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1 = 20",
        "}\n}\n}\n}\n}\n",
        "-" * 80,
        "ha ha ha ha",
    ],
)
def test_repetition_that_means_something_is_no_loop(text: str) -> None:
    assert loops(text) is None


def test_a_step_repeats_an_earlier_one_whatever_its_spaces_and_case() -> None:
    earlier = ["First we add.", "So  we get\nSEVEN.", ""]
    assert repeats(" so we get seven. ", earlier)
    assert not repeats("So we get eight.", earlier)
    assert not repeats("So we do not get seven.", earlier)
    assert not repeats("", earlier)
    assert not repeats("Anything", [])
    assert problem_with("First WE add.", question=ENGLISH, earlier=earlier) == "the step repeats an earlier step"


@given(st.text(), st.lists(st.text(), max_size=5))
def test_repeating_is_equality_of_the_normal_forms(text: str, earlier: list[str]) -> None:
    def normal(said: str) -> str:
        return " ".join(said.split()).casefold()

    assert repeats(text, earlier) == (normal(text) != "" and normal(text) in map(normal, earlier))
    if text.strip():
        assert repeats(f"\n{text}  ", [*earlier, text])


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (CHINESE, "Chinese"),
        (JAPANESE, "Japanese"),
        (RUSSIAN, "Cyrillic script"),
        (ARABIC, "Arabic script"),
        (GERMAN, "German"),
        (FRENCH, "French"),
        (SPANISH, "Spanish"),
        (ITALIAN, "Italian"),
        (PORTUGUESE, "Portuguese"),
        (DUTCH, "Dutch"),
    ],
)
def test_a_reply_in_another_language_is_told(text: str, language: str) -> None:
    assert foreign(text, ENGLISH) == f"{language}, not English"
    assert foreign(text, text) is None
    assert foreign(STEP, text) == f"English, not {language}"
    said = problem_with(text, question=ENGLISH)
    assert said == f"the reply is in another language than the task ({language}, not English)"


@pytest.mark.parametrize(
    ("text", "question"),
    [
        (STEP, ENGLISH),
        (STEP, "2 + 2 = ?"),
        (STEP, ""),
        (GERMAN, "Translate the text to German."),
        (CHINESE, "How is this said in Mandarin?"),
        ("Answer: 你好", ENGLISH),
        ("\u03b1 + β + \u03b3 = 180°, so ∠ABC = 60° and Δ ≈ 3 \u00d7 π", ENGLISH),
        ("x² ≤ √2 · ∑ aᵢ → ∞", ENGLISH),
        ("Der Zug ist da.", ENGLISH),
        (GERMAN, "x y z"),
        ("def f(n):\n    return [i for i in range(n) if i % 2 == 0 and not i in seen]", "写一个函数,返回所有的偶数。"),
        ("\\frac{1}{2} \\times \\sqrt{3} = \\alpha", "求这个三角形的面积是多少?"),
        (CHINESE, "已知三角形 $ABC$ 的面积是 12,求边长。"),
        ("Le nom is French, and the answer of the riddle is that it has not been there for a year.", ENGLISH),
    ],
)
def test_no_language_is_named_when_unsure(text: str, question: str) -> None:
    assert foreign(text, question) is None


@given(st.text(), st.text(), st.lists(st.text(), max_size=3))
def test_any_text_is_judged(text: str, question: str, earlier: list[str]) -> None:
    assert problem_with(text, question=question, earlier=earlier) is None or text


HOSTILE = st.builds(
    lambda pieces, size: ("".join(pieces) * (size // max(1, len("".join(pieces))) + 1))[:size],
    st.lists(
        st.sampled_from(
            ["a", " ", "\n", "```", "$", "\\", "{", "|", "x ", "的", "ж", "\u03b1", "<think>", "\u2028", "1"]
        ),
        min_size=1,
        max_size=8,
    ),
    st.just(200_000),
)


@settings(max_examples=20)
@given(HOSTILE)
def test_hostile_texts_are_judged_in_linear_time(text: str) -> None:
    start = time.process_time()
    problem_with(text, question=ENGLISH, earlier=[text[1:]])
    assert time.process_time() - start < 2.0


@pytest.mark.parametrize("alphabet", ["ab", "ab \n", "的是 ", "01 "])
def test_noise_is_judged_in_linear_time(alphabet: str) -> None:
    text = "".join(random.Random(7).choices(alphabet, k=200_000))
    start = time.process_time()
    problem_with(text, question=ENGLISH, earlier=[text])
    assert time.process_time() - start < 2.0
