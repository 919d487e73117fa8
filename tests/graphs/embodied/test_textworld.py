from __future__ import annotations

from pathlib import Path

import pytest

from reflectree.graphs.embodied import textworld, textworld_games
from reflectree.graphs.embodied.textworld_games import KINDS, Game, cache_folder, file_of, game
from reflectree.rlm_ops.errors import BadInput


def test_names_and_games() -> None:
    assert game("coin-3") == Game("coin", 3, 0)
    assert game("simple/7") == Game("simple", 0, 7)
    assert game("cooking-2/5").name == "cooking-2/5"
    assert game("simple").name == "simple/0"


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ("chess", "there are textworld/coin-LEVEL"),
        ("coin", "give a level from 1 to 100"),
        ("treasure-31", "give a level from 1 to 30"),
        ("simple-2", "it has no levels"),
        ("coin-3/x", "the seed must be a whole number"),
        ("coin-x", "the level must be a whole number"),
    ],
)
def test_a_game_that_is_none_says_what_there_is(rest: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        game(rest)


def test_the_cache_is_where_the_variable_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REFLECTREE_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("REFLECTREE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "reflectree"


def test_points_and_endings_are_left_out_of_what_is_seen() -> None:
    text = "\nYou take it.\n\n\nYour score has just gone up by one point.\n\n\n   *** The End ***\n\nRESTART?\n> "
    assert textworld._POINTS.sub("", textworld._ENDING.sub("", text)).strip() == "You take it."
    status = "\n-= Room =-\nA room.\n\n>       -= Room =-0/2"
    assert textworld._PROMPT.sub("", status).strip() == "-= Room =-\nA room."


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_game_is_made_once_and_whole(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("textworld")
    monkeypatch.setenv("REFLECTREE_CACHE", str(tmp_path))
    path = file_of(Game("coin", 2, 1))
    assert path.read_bytes()
    made = path.stat().st_mtime_ns
    assert file_of(Game("coin", 2, 1)) == path
    assert path.stat().st_mtime_ns == made
    assert not list(tmp_path.rglob(".making-*"))
    env = textworld.environment("coin-2/1")()
    env.reset()
    first, second = env.expert()  # type: ignore[attr-defined]
    assert first.startswith("go ")
    assert env.step(first.removeprefix("go ")[0]).valid, "n, s, e, w are understood"
    last = env.step(second)
    assert (last.done, last.score) == (True, 1.0)
    assert "score" not in last.text
    env.close()


@pytest.mark.slow
def test_a_cache_that_cannot_be_written_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("textworld")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("REFLECTREE_CACHE", str(tmp_path / "file"))
    with pytest.raises(BadInput, match="set REFLECTREE_CACHE to a folder"):
        file_of(Game("coin", 1, 0))


def test_every_kind_is_described() -> None:
    assert all(name in textworld_games.listed() for name in KINDS)
