import pytest

from reflectree.rlm_ops.errors import BadInput
from reflectree.training.trainers import settings as s


def test_changes_to_defaults() -> None:
    made = s.settings_of(s.ValueSettings, {"lr": 1e-3, "lora": {"r": 4}}, "value")
    assert made.lr == 1e-3
    assert made.lora is not None
    assert made.lora.r == 4
    assert made.head_layers == 3
    assert s.settings_of(s.ValueSettings, made, "value") is made
    assert s.settings_of(s.ValueSettings, None, "value") == s.ValueSettings()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"lr": 0}, "setting 'lr' of trainer 'value': input should be greater than 0"),
        ({"learning_rate": 1}, "setting 'learning_rate'.*not permitted; known: epochs"),
        ({"head_layers": 2}, "setting 'head_layers'"),
        ({"lr": float("nan")}, "setting 'lr'"),
        ({"lora": {"rank": 3}}, r"setting 'lora.rank'"),
        ({"batch": 0}, "setting 'batch'"),
    ],
)
def test_what_cannot_be_is_refused(given: dict[str, object], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        s.settings_of(s.ValueSettings, given, "value")


def test_another_trainers_settings_are_refused() -> None:
    with pytest.raises(BadInput, match="takes PrmSettings, not DpoSettings"):
        s.settings_of(s.PrmSettings, s.DpoSettings(), "prm")


def test_the_step_tag_is_for_our_own_format() -> None:
    assert s.PrmSettings().tag == "<|step|>"
    assert s.PrmSettings(format="qwen-prm").tag is None
    assert s.SftSettings(template="chat").tag is None


def test_names_of_a_family_differ_in_defaults_only() -> None:
    assert (s.DpoSettings().ends, s.StepDpoSettings().ends) == (True, False)
    assert (s.DpoSettings().likelihood, s.RpoSettings().likelihood) == (0.0, 1.0)
