"""Labels that a language model gave, or a person.

A judge's are in the trace, as evaluations whose source says so; a person's come from `reflectree data annotate`
(`reflectree.training.labels.annotating`) and are handed in as `Source.judgements`. How far two sources agree is
measured by `reflectree.training.labels.agreement`.
"""

from __future__ import annotations

from collections.abc import Iterable
from statistics import fmean

from reflectree.rlm_ops.events import Evaluated
from reflectree.training.labels.source import Source
from reflectree.training.samples import Labelled, Valued

JUDGES = ("judge", "rubric", "scale", "vote")
"""Sources of evaluations that are a language model's opinion."""


def judged_values(source: Source, by: Iterable[str] = JUDGES) -> dict[int, float]:
    """For each step the mean of what judges said of it in the run, of those sources that are named."""
    sources = frozenset(by)
    found: dict[int, list[float]] = {}
    for event in source.trace:
        if isinstance(event, Evaluated) and event.source in sources and event.against == -1 and not event.aside:
            found.setdefault(event.node, []).append(event.value)
    return {node: fmean(values) for node, values in found.items() if node and source.says(node)}


def judged(source: Source) -> list[Labelled]:
    """Each path of the tree to its end with what a judge said of its steps."""
    return source.labelled("judge", judged_values(source), source.leaves())


def judged_prefixes(source: Source) -> list[Valued]:
    """Each prefix that a judge scored."""
    return source.valued("judge/values", judged_values(source))


def human(source: Source) -> list[Labelled]:
    """Each path of the tree to its end with what people said of its steps (as PRM800K, arXiv 2305.20050)."""
    return source.labelled("human", source.judgements, source.leaves())


def first_judged_errors(source: Source) -> dict[int, int]:
    """For each wrong solution, by its last node: the node of the first step that people called wrong."""
    found = {}
    for end in source.ends:
        wrong = [node for node in source.read(end) if source.judgements.get(node, 1.0) < 1 / 3]
        if wrong and source.wrong(end):
            found[end] = wrong[0]
    return found
