"""Graphs for other tools: the same structure in three languages, and no text that becomes grammar."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.apps.conftest import Cli

from reflectree.apps.exporting import FORMATS, STYLES, Graph, dot_text, mermaid_text, to_graphviz, to_json, to_mermaid
from reflectree.rlm_ops.events import Answered, BackedUp, Began, Evaluated, Event, Grown, Pruned
from reflectree.rlm_ops.structure import fold
from reflectree.rlm_ops.trace import Trace

ATTACKS = (
    '"]-->evil["owned"]',
    'end\n  click n1 "javascript:alert(1)"',
    "%%{init: {'securityLevel': 'loose'}}%%",
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    'x"]; evil [URL="javascript:alert(1)"]; n9 [label="',
    "back\\slash\\",
    '\\"',
    "<b>html</b>&lt;&#34;#quot;",
    "`**markdown**`",
    "]\n-->|x|\nsubgraph a",
    "\x1b[31mred\x00\u202e",
    "1. a list",
    "{ $$x$$ } | } ; //",
    "日本語 → ✓",
)
_NODE = re.compile(r'  n(\d+)\["([^"\[\]{}()<>|;%`]|<br/>|#\d+;)*"\]:::([a-z]+)')
_LINK = re.compile(r"  n\d+ (-->|-\.->) n\d+")
_LOOK = re.compile(r"  (classDef [a-z]+ [#a-z0-9:,\- ]+|linkStyle [\d,]+ stroke:#[0-9a-f]+,stroke-width:3px)")
_DOT_STRING = r'"(?:[^"\\]|\\.)*"'
_DOT_LINE = re.compile(
    rf"  (?:n\d+(?: -> n\d+)?|graph|node|edge)"
    rf"(?: \[\w+=(?:{_DOT_STRING}|[\w.]+)(?:, \w+=(?:{_DOT_STRING}|[\w.]+))*\])?;"
)


def is_mermaid(text: str) -> bool:
    """Whether every line is one of the three forms a flowchart of ours has."""
    first, *lines = text.splitlines()
    return first == "flowchart TD" and all(
        any(form.fullmatch(line) for form in (_NODE, _LINK, _LOOK)) for line in lines
    )


def is_dot(text: str) -> bool:
    """Whether every line is a statement of ours, whose strings end where they should."""
    first, *lines, last = text.splitlines()
    return (first, last) == ("digraph reflectree {", "}") and all(_DOT_LINE.fullmatch(line) for line in lines)


def run(*texts: str) -> Trace:
    """A root, a step a text, the last one pruned, and as the answer a merge of the first two."""
    events: list[Event] = [Began(question=texts[0])]
    for number, text in enumerate(texts, 1):
        parent = 0 if number < 3 else number - 1
        events.append(Grown(nodes=(parent,), index=number, node=number, text=text))
    last = len(texts)
    joined: Any = Grown(op="aggregate", nodes=(1, 2), node=last + 1, text=texts[-1], answer=texts[0], status="terminal")
    events += [
        joined,
        Evaluated(node=last + 1, value=0.75),
        BackedUp(node=last + 1, value=0.75),
        Pruned(nodes=(last,)),
        Answered(answer=texts[0], node=last + 1, score=0.75, stop_reason="complete"),
    ]
    rows = [{**row, "seq": seq} for seq, row in enumerate(Trace(events).rows)]
    return Trace.from_rows(rows, run_id='r"un')


def graph(trace: Trace, nodes: int | None = None) -> Graph:
    return Graph(trace, fold(trace), nodes)


def test_one_structure_in_three_languages() -> None:
    found = graph(run("think", "count", "add"))
    mermaid, dot, data = to_mermaid(found), to_graphviz(found), json.loads(to_json(found))
    assert is_mermaid(mermaid)
    assert is_dot(dot)
    assert '  n4["4#58; 0.75' not in mermaid  # a colon means nothing inside quotes
    assert '  n4["4: 0.75 x1, aggregate, answer<br/>= think<br/>add"]:::answer' in mermaid
    assert "  n2 -.-> n4" in mermaid
    assert ":::pruned" in mermaid
    assert 'n4 [label="4: 0.75 x1, aggregate, answer\\n= think\\nadd", style="rounded,filled"' in dot
    assert [node["kind"] for node in data["nodes"]] == ["root", "path", "open", "pruned", "answer"]
    assert {(link["source"], link["target"]) for link in data["links"]} == {(0, 1), (0, 2), (2, 3), (1, 4), (2, 4)}
    assert [link["primary"] for link in data["links"] if link["target"] == 4] == [True, False]
    assert data["graph"]["answer"] == "think"
    assert data["graph"]["left_out"] == 0
    assert (data["directed"], data["multigraph"]) == (True, False)


def test_json_is_what_networkx_reads() -> None:
    networkx = pytest.importorskip("networkx")
    data = json.loads(to_json(graph(run("think", "count", "add"))))
    made = networkx.node_link_graph(data, edges="links")
    assert networkx.is_directed_acyclic_graph(made)
    assert made.nodes[4]["value"] == 0.75
    assert made.graph["run_id"] == 'r"un'


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_text_becomes_grammar(attack: str) -> None:
    found = graph(run(attack, attack, attack))
    assert is_mermaid(to_mermaid(found))
    assert is_dot(to_graphviz(found))
    assert json.loads(to_json(found))["nodes"][1]["text"] == attack
    for word in ("<script", "%%{", "\x1b", "\x00", "\nend", "\nclick", "\n  click"):
        assert word not in to_mermaid(found)


@given(st.text())
def test_whatever_the_text(text: str) -> None:
    found = graph(run(text if text.strip() else "x", text, "y"))
    assert is_mermaid(to_mermaid(found))
    assert is_dot(to_graphviz(found))
    assert not set(mermaid_text(text)) & set('"[]{}()<>|%`\n\r')
    assert re.fullmatch(r'(?:[^"\\]|\\.)*', dot_text(text))


def test_of_a_large_run_the_steps_that_matter() -> None:
    trace = run(*[f"step {n}" for n in range(400)])
    few = graph(trace, 30)
    assert len(few.nodes) == 31
    assert few.left_out == 401 - 30 + 0
    assert 401 in few.nodes
    data = json.loads(to_json(few))
    known = {node["id"] for node in data["nodes"]}
    assert all({link["source"], link["target"]} <= known for link in data["links"])
    assert is_mermaid(to_mermaid(few))


def test_every_kind_of_node_has_a_style() -> None:
    assert set(STYLES) == {"root", "answer", "path", "terminal", "open", "pruned", "failed"}
    assert set(FORMATS) == {"mermaid", "graphviz", "json"}


def test_the_command(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "run.jsonl"
    run("think", "count", "add").save(file)
    assert is_mermaid(cli("trace", "export", file).out)
    out = tmp_path / "run.dot"
    done = cli("trace", "export", file, "--format", "graphviz", "-o", out, "--nodes", 2)
    assert (done.code, done.out) == (0, "")
    assert "2 steps left out: --nodes N shows more, --all every one" in done.err
    assert is_dot(out.read_text())
    assert len(json.loads(cli("trace", "export", file, "-f", "json").out)["nodes"]) == 5
    for bad, said in (
        (("--format", "png"), "write mermaid, graphviz, json"),
        (("-o", tmp_path / "no" / "where"), "cannot write"),
        (("-o", file), "is the trace itself"),
        (("--inside", 1), "node 1 holds no run"),
    ):
        failed = cli("trace", "export", file, *bad)
        assert failed.code == 2
        assert said in failed.err
    assert cli("trace", "export", tmp_path / "none").code == 2
