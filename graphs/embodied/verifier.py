"""How an episode went: the commands of an answer, replayed in a fresh environment, and the score it gives for them.

The score is gold: it stands in the final report, and guides no search unless `oracle=True`. What may guide one is the
environment's own end message, read as anybody can read it: `end_message`.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass

from reflectree.agents.instances import sensible
from reflectree.rlm_ops.environment import MakeEnvironment
from reflectree.rlm_ops.errors import VerifierError
from reflectree.rlm_ops.step import Path


@dataclass(frozen=True, slots=True)
class EpisodeVerifier:
    """Judges commands, one a line, by the score of the environment after them.

    Attributes:
        make: Makes the environment.
        seconds: Most seconds of a replay.
        name: What kind of check it is.
        gold: It knows more than a search may see.
    """

    make: MakeEnvironment
    seconds: float = 120.0
    name: str = "episode"
    gold: bool = True

    def score(self, answer: str) -> float:
        """The environment's score after the commands, in [0, 1]; what it refuses is left out.

        Raises:
            VerifierError: The environment hangs, fails or has no score.
        """
        said: queue.SimpleQueue[float | Exception] = queue.SimpleQueue()

        def work() -> None:
            try:
                said.put(self._replayed(answer))
            except Exception as error:  # the boundary to a user's environment; whoever waits is told
                said.put(error)

        threading.Thread(target=work, name="reflectree-verifier", daemon=True).start()
        try:
            outcome = said.get(timeout=self.seconds)
        except queue.Empty:
            raise VerifierError(f"the environment gave no score within {self.seconds:g} s") from None
        if isinstance(outcome, Exception):
            raise VerifierError(f"the environment could not be asked for its score: {outcome}") from outcome
        return outcome

    def _replayed(self, answer: str) -> float:
        environment = self.make()
        try:
            seen = sensible(environment.reset())
            for line in answer.splitlines():
                command = line.strip()
                if seen.done:
                    break
                if command and environment.refuses(command) is None:
                    seen = sensible(environment.step(command))
        finally:
            environment.close()
        if seen.score is None:
            raise VerifierError("this environment has no score")
        return float(seen.score)


def end_message(*won: str) -> Callable[[Path], float]:
    """Scores an episode by what the environment itself said at its end: 1 where that holds one of the words, else 0.

    It is a source of feedback to declare (`evaluator=end_message("You have won")`), for environments that say openly
    how an episode ended. Letter case does not matter; what the model wrote is not read.
    """
    words = tuple(word.casefold() for word in won)

    def score(path: Path) -> float:
        text = path.steps[-1].text if path.steps else ""
        observation = text.rpartition("\nObservation: ")[2] if "\nObservation: " in text else ""
        return float(any(word in observation.casefold() for word in words))

    return score
