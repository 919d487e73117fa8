"""Tree of Thoughts, breadth first: generate, evaluate and select, level by level.

Yao et al. 2023, arXiv 2305.10601, algorithm 1. Depth-first search is in `reflectree.rlm_ops.strategies.depth_first`;
the levels themselves are grown by `reflectree.rlm_ops.strategies.levels`.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from reflectree.rlm_ops.strategies.beam import LevelWise
from reflectree.rlm_ops.strategies.groups import Shape


class TreeOfThoughtsBFS(LevelWise):
    """Tree of Thoughts, breadth first.

    How often a state is evaluated (the paper's n_evaluate) is a setting of the evaluator: `operators.evaluate.repeats`.

    Attributes:
        n_generate: Thoughts a state.
        n_select: b, the states kept a level.
        depth: T, thoughts on a path.
        generate: Thoughts are sampled independently (`sample`), or several are asked for in one reply (variant
            `propose`).
        evaluate: States are valued one by one (`value`), or voted on among their level (variant `vote`, which waits
            until the level is complete).
        select: The best b (`greedy`), or b drawn in proportion to value (`sample`).
        temperature: Of that draw; 1 is the paper's.
        finish: Write to the end on the last level (variant `whole`), whatever the task's own number of thoughts is.
        distinct: Keep states apart: one that says the same as a sibling is pruned, unscored. That does what the
            release's cache of values by state does, and saves the place in the breadth besides.
    """

    name: ClassVar[str] = "tot-bfs"
    n_generate: int = Field(default=5, ge=1)
    n_select: int = Field(default=5, ge=1)
    depth: int = Field(default=4, ge=1)
    generate: Literal["sample", "propose"] = "sample"
    evaluate: Literal["value", "vote"] = "value"
    select: Literal["greedy", "sample"] = "greedy"
    temperature: float = Field(default=1.0, ge=0)
    finish: bool = False
    distinct: bool = True

    @override
    def shape(self) -> Shape:
        return Shape(
            keep=self.n_select,
            first=self.n_generate,
            width=self.n_generate,
            depth=self.depth,
            temperature=self.temperature if self.select == "sample" else None,
            distinct=self.distinct,
            finish=self.finish,
            generate="propose" if self.generate == "propose" else "",
            evaluate="vote" if self.evaluate == "vote" else "",
            together=self.evaluate == "vote",
        )
