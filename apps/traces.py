"""`reflectree trace show|stats|verify|journey|export FILE`: what happened in a run, from its trace and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from reflectree.rlm_ops.structure import ReasoningStructure
    from reflectree.rlm_ops.trace import Trace

app = typer.Typer(no_args_is_help=True, help="Look into what happened in a run.")

File = Annotated[str, typer.Argument(metavar="FILE", help="A trace, as --trace saves it.")]


@app.command()
def show(
    file: File,
    depth: Annotated[int | None, typer.Option("--depth", "-d", min=1, help="Most steps on a path.")] = None,
    width: Annotated[int | None, typer.Option("--width", "-w", min=1, help="Most children of a step.")] = None,
    nodes: Annotated[int, typer.Option("--nodes", "-n", min=1, help="Most steps in all, the most visited first.")] = 60,
    everything: Annotated[bool, typer.Option("--all", "-a", help="Every step.")] = False,
    inside: Annotated[
        int | None, typer.Option("--inside", "-i", min=1, help="Draw the nested run of this node.")
    ] = None,
) -> None:
    """Draw the tree; the way to the answer is marked.

    Try:

        reflectree trace show run.jsonl

        reflectree trace show run.jsonl --all | less
    """
    from rich.text import Text

    from reflectree.apps.drawing import LEGEND, Drawing, Limits, failures_by_node
    from reflectree.apps.terminal import console, one_line

    trace, structure = _load(file)
    if inside is not None:
        trace, structure = _nested(structure, inside)
    out = console()
    out.print(Text(one_line(structure.task.question, 10 * out.width), style="bold"))
    out.print(Text(_summary(trace), style="dim"), overflow="ellipsis", no_wrap=True)
    limits = Limits(None, None, None) if everything else Limits(nodes, width, depth)
    for line in Drawing(structure, failures_by_node(tuple(trace)), limits).lines():
        out.print(line, no_wrap=True, overflow="ellipsis", crop=True)
    out.print(Text(LEGEND, style="dim"), overflow="ellipsis", no_wrap=True)


@app.command()
def stats(
    file: File, as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False
) -> None:
    """Count what happened: events, shape, usage, failures, values.

    Try:

        reflectree trace stats run.jsonl
    """
    from reflectree.apps.figures import as_table, figures

    trace, structure = _load(file)
    found = figures(trace, structure)
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
        return
    from reflectree.apps.terminal import console

    console().print(as_table(found))


@app.command()
def verify(file: File) -> None:
    """Say whether a trace is whole and sound; exit code 2 if it is not.

    Try:

        reflectree trace verify run.jsonl
    """
    from reflectree.apps.terminal import many, one_line
    from reflectree.rlm_ops.trace import Trace

    trace = Trace.load(file)
    problems = trace.verify()
    for problem in problems:
        typer.echo(one_line(problem))
    if problems:
        raise typer.Exit(2)
    typer.echo(f"sound: {many(len(trace), 'event')}, {many(trace.nodes, 'node')}")


@app.command()
def journey(
    file: File,
    failures: Annotated[int, typer.Option("--failures", "-k", min=0, help="Failed attempts told at each step.")] = 1,
    node: Annotated[int | None, typer.Option("--node", min=1, help="Where it leads; the answer if not given.")] = None,
) -> None:
    """Tell the way to the answer as one long thought, with wrong turns, why they are wrong, and going back.

    Try:

        reflectree trace journey run.jsonl

        reflectree trace journey run.jsonl --failures 0   # the best path alone
    """
    from reflectree.apps.terminal import clean
    from reflectree.rlm_ops.errors import BadInput
    from reflectree.rlm_ops.operators.linearise import journey as journey_to
    from reflectree.rlm_ops.operators.linearise import told

    _, structure = _load(file)
    answered = structure.answered
    goal = node if node is not None else answered.node if answered is not None else -1
    if not 0 < goal < len(structure):
        raise BadInput(f"there is no way to tell: {'no such node' if node else 'the run has no answer'}; give --node")
    typer.echo(clean(told(journey_to(structure, goal, failures))))


@app.command()
def export(
    file: File,
    form: Annotated[
        str, typer.Option("--format", "-f", metavar="mermaid|graphviz|json", help="What it is written as.")
    ] = "mermaid",
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FILE", help="Where to; stdout if not given.")
    ] = None,
    nodes: Annotated[
        int | None,
        typer.Option("--nodes", "-n", min=1, help="Most steps, the most visited first (mermaid 100, graphviz 500)."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", "-a", help="Every step.")] = False,
    inside: Annotated[
        int | None, typer.Option("--inside", "-i", min=1, help="Export the nested run of this node.")
    ] = None,
) -> None:
    """Write the structure as a graph for other tools: a picture of it, or its nodes and links.

    Mermaid is drawn by GitHub, GitLab and many notebooks, DOT by Graphviz. JSON holds whole texts, for networkx
    (node_link_graph(data, edges="links")) and d3.

    Try:

        reflectree trace export run.jsonl --format graphviz -o run.dot
    """
    from reflectree.apps.exporting import FORMATS, Graph
    from reflectree.apps.terminal import many, note
    from reflectree.rlm_ops.errors import BadInput

    if form not in FORMATS:
        raise BadInput(f"--format {form!r}: write {', '.join(FORMATS)}")
    if output is not None:
        keep_apart(output, file)
    write, most = FORMATS[form]
    trace, structure = _load(file)
    if inside is not None:
        trace, structure = _nested(structure, inside)
    graph = Graph(trace, structure, None if everything else nodes or most)
    text = write(graph)
    if graph.left_out:
        note(f"{many(graph.left_out, 'step')} left out: --nodes N shows more, --all every one")
    if output is None:
        typer.echo(text, nl=False)
        return
    try:
        with open(output, "w", encoding="utf-8") as target:
            target.write(text)
    except OSError as error:
        raise BadInput(f"cannot write {output}: {error.strerror}; choose another file") from error


def keep_apart(output: str | Path, *files: str | None) -> None:
    """Refuse to write over what is read: a trace cannot be had again for nothing.

    Raises:
        BadInput: `output` is one of the files.
    """
    from reflectree.rlm_ops.errors import BadInput

    if Path(output).exists() and any(file and Path(file).exists() and Path(output).samefile(file) for file in files):
        raise BadInput(f"{output} is the trace itself: choose another file to write")


def _nested(structure: ReasoningStructure, node: int) -> tuple[Trace, ReasoningStructure]:
    """The run that a node holds.

    Raises:
        BadInput: It holds none.
    """
    from reflectree.rlm_ops.errors import BadInput
    from reflectree.rlm_ops.structure import fold
    from reflectree.rlm_ops.trace import Trace

    if node not in structure.traces:
        held = ", ".join(map(str, structure.traces)) or "none does"
        raise BadInput(f"node {node} holds no run; those that do: {held}")
    trace = Trace.from_rows(structure.traces[node], run_id=structure.runs[node])
    return trace, fold(trace)


def _load(file: str) -> tuple[Trace, ReasoningStructure]:
    """A trace and as much of its structure as it holds; damage is told on stderr.

    Raises:
        BadInput: It cannot be read or is no trace.
    """
    from reflectree.apps.terminal import note
    from reflectree.rlm_ops.errors import TraceError
    from reflectree.rlm_ops.structure import ReasoningStructure
    from reflectree.rlm_ops.trace import Trace

    trace = Trace.load(file)
    if trace.damage:
        note(f"damaged: {trace.damage}")
    structure = ReasoningStructure()
    for event in trace:
        try:
            structure.apply(event)
        except TraceError as error:
            note(f"unsound: {error}; what follows is left out")
            break
    if structure.began is None:
        raise TraceError(f"{file} holds no event: there is nothing to see")
    return trace, structure


def _summary(trace: Trace) -> str:
    from reflectree.apps.report import why
    from reflectree.apps.terminal import dollars, many, one_line, short

    began, answered = trace.began, trace.answered
    usage = trace.usage
    correct = {True: "correct", False: "wrong", None: ""}[answered.correct if answered else None]
    words: list[Any] = [
        f"run {trace.run_id}" if trace.run_id else "",
        (began.blueprint.get("name") or "") if began else "",
        began.policy if began else "",
        many(trace.nodes, "node"),
        many(usage.calls, "call"),
        f"{short(usage.tokens)} tokens",
        dollars(usage.usd),
        correct,
        why(answered.stop_reason) if answered else "not finished",
    ]
    return one_line(" · ".join(str(word) for word in words if word))
