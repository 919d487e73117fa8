"""The stages of a training, each written to its folder once it is done: a run that was cut goes on where it was.

`sft`, `labels` (nested Monte Carlo on its policy), `value`, then for each round `policy-k` (expert iteration with the
value model as critic). The seed makes every draw and update counts are fixed, so the same command gives the same
weights.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from reflectree.models.neural.countdown.forward import Network
from reflectree.models.neural.countdown.game import State
from reflectree.models.neural.countdown.load import policy_network, save_policy, save_value, value_modules
from reflectree.models.neural.weights import quiet
from reflectree.models.scoring.card import read_card
from reflectree.rlm_ops.errors import BadInput
from reflectree.training.countdown.data import KINDS, Kind, check, training_puzzles, training_solutions
from reflectree.training.countdown.fitting import Report, Schedule
from reflectree.training.countdown.improve import from_critic, from_labels, improve
from reflectree.training.countdown.labels import Label, label, last_labels
from reflectree.training.countdown.player import Player
from reflectree.training.countdown.recipe import Recipe
from reflectree.training.countdown.sft import sft
from reflectree.training.countdown.values import fit_value, new_value, quality, split

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM

TOGETHER = 400
"""Puzzles labelled in one go: a bound on memory."""
FRESH = 1000
"""Fresh puzzles looked into in one go."""
APART = 10_000
"""Between the seeds of solutions to train on and of those whose last states are labelled."""


@dataclass(frozen=True, slots=True)
class Training:
    """A training in a folder.

    Attributes:
        folder: Where its stages are written.
        recipe: Its numbers.
        seed: Of all its draws.
        report: Told of progress, line by line.
    """

    folder: Path
    recipe: Recipe
    seed: int
    report: Report

    @property
    def policy(self) -> Path:
        """The folder of the last policy."""
        return self.folder / (f"policy-{self.recipe.rounds}" if self.recipe.rounds else "sft")

    @property
    def value(self) -> Path:
        """The folder of the value model."""
        return self.folder / "value"

    def run(self) -> None:
        """All stages that are not done.

        Raises:
            BadInput: The folder is none, or holds another training.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadInput(f"cannot write to {self.folder}: {error.strerror}; choose another --out") from error
        self._same()
        self._once("sft", self._sft)
        self._once("labels", self._label)
        self._once("value", self._value)
        for number in range(1, self.recipe.rounds + 1):
            self._once(f"policy-{number}", partial(self._improve, number))

    def _same(self) -> None:
        """What is there already is of this seed and recipe: its first stage's card says so."""
        card = read_card(self.folder / "sft") if (self.folder / "sft.done").exists() else None
        wanted = json.loads(json.dumps(self._card("sft")))  # as a file has it: lists for tuples, texts for keys
        if card is not None and card.training != wanted:
            raise BadInput(f"{self.folder} holds a training by another recipe or seed: choose another --out")

    def _once(self, name: str, stage: Callable[[], None]) -> None:
        done = self.folder / f"{name}.done"
        if done.exists():
            self.report(f"{name}: done before")
            return
        self.report(f"{name}: begins")
        stage()
        done.touch()

    def _sft(self) -> None:
        recipe = self.recipe
        model = sft(self._kinds, recipe.sft, self.seed, self.report, recipe.hidden)
        save_policy(model, self.folder / "sft", self._card("sft"))

    def _label(self) -> None:
        player = Player(policy_network(self.folder / "sft"), seed=self.seed)
        found: dict[State, Label] = {}
        for numbers, count in self.recipe.labelled.items():
            puzzles = training_puzzles(KINDS[numbers], count, f"label {self.seed}")
            for start in range(0, count, TOGETHER):
                found |= {one.at: one for one in label(player, puzzles[start : start + TOGETHER])}
        solutions = training_solutions(self._kinds, APART + self.seed)
        found |= {one.at: one for one in last_labels(player, itertools.islice(solutions, self.recipe.last))}
        check(list(found))
        rows = "".join(json.dumps(one.to_row()) + "\n" for one in found.values())
        (self.folder / "labels.jsonl").write_text(rows, encoding="utf-8")
        self.report(f"labels: {len(found)} states, {player.bill.written} characters drawn")

    def _labels(self) -> list[Label]:
        lines = (self.folder / "labels.jsonl").read_text(encoding="utf-8").splitlines()
        return [Label.from_row(json.loads(line)) for line in lines]

    def _value(self) -> None:
        trunk, head = new_value(self._model("sft"), self.seed)
        recipe = self.recipe
        kept, held = split(self._labels())
        fit_value(
            trunk, head, kept, recipe.value, share=recipe.share, mix=recipe.mix, seed=self.seed, report=self.report
        )
        for line in quality(trunk, head, held, recipe.share):
            self.report(line)
        save_value(trunk, head, self.value, self._card("nested Monte-Carlo labels"))

    def _improve(self, number: int) -> None:
        recipe, seed = self.recipe, self.seed * 100 + number
        before = f"policy-{number - 1}" if number > 1 else "sft"
        trunk, head = value_modules(self.value)
        player = Player(policy_network(self.folder / before), (Network(trunk), head), seed=seed)
        states = from_labels(self._labels(), recipe.power)
        for start in range(0, recipe.fresh, FRESH):
            count = min(FRESH, recipe.fresh - start)
            states += from_critic(player, self._kinds, count, recipe.power, f"{seed} {start}")
        model = self._model(before)
        schedule = Schedule(max(1, int(recipe.passes * len(states) / 128)), rate=recipe.rate, warm=20)
        improve(model, states, schedule, seed=seed, report=self.report)
        save_policy(model, self.folder / f"policy-{number}", self._card(f"expert iteration, round {number}"))

    @property
    def _kinds(self) -> list[Kind]:
        return [KINDS[numbers] for numbers in self.recipe.numbers]

    def _model(self, name: str) -> LlamaForCausalLM:
        from transformers import LlamaForCausalLM

        with quiet():
            return LlamaForCausalLM.from_pretrained(self.folder / name, dtype=torch.float32)

    def _card(self, stage: str) -> dict[str, Any]:
        return {"stage": stage, "seed": self.seed, "recipe": self.recipe.to_row()}

    def player(self, seed: int) -> Player:
        """Both models, ready to search with."""
        trunk, head = value_modules(self.value)
        return Player(policy_network(self.policy), (Network(trunk), head), seed=seed)
