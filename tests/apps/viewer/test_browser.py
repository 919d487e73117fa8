"""The page in headless Chromium: what it draws, how it is used, what it never does.

Slow, and skipped where there is no browser. Figures of speed are printed (`-s`), never asserted: what is asserted is
that the work of a frame is bounded.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.apps.viewer.conftest import golden, grown, spiteful
from tests.apps.viewer.test_server import TOKEN, start  # noqa: F401

from reflectree.apps.view_command import chunk_of
from reflectree.apps.viewer.html import document
from reflectree.apps.viewer.live import Feed
from reflectree.apps.viewer.server import Shown
from reflectree.apps.viewer.sources import GrowingFile
from reflectree.rlm_ops.structure import fold
from reflectree.rlm_ops.trace import Trace

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

Show = Callable[..., Any]

_STATE = """() => {
  const { app } = window.reflectree, { run } = app, now = run.at(app.stage.time), nodes = [...Array(run.nodes).keys()];
  return {
    visits: [...now.visits], status: [...now.status], value: nodes.map((v) => now.value(v)),
    q: nodes.map((v) => now.q(run, v)), selected: app.pane.selected, time: app.stage.time, shown: now.shown,
    hits: [...app.stage.hits], drawn: app.stage.stats,
  };
}"""
_COLOURS = """() => {
  const board = document.querySelector(".board canvas"), seen = new Set();
  const dots = board.getContext("2d").getImageData(0, 0, board.width, board.height).data;
  for (let i = 0; i < dots.length; i += 4) seen.add((dots[i] << 16) | (dots[i + 1] << 8) | dots[i + 2]);
  return seen.size;
}"""
_UNNAMED = """() => [...document.querySelectorAll("button, input, select, canvas")].filter(
  (one) => !(one.getAttribute("aria-label") || one.innerText || one.getAttribute("aria-hidden"))).length"""


@pytest.fixture
def show(browser: Any, tmp_path: Path) -> Iterator[Show]:
    """Opens a page of traces from a file; no request leaves it, and nothing is complained of."""
    complaints: list[str] = []
    contexts: list[Any] = []

    def opened(*traces: Trace, width: int = 1280, height: int = 800, scheme: str = "light", url: str = "") -> Any:
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))

        def watch(route: Any) -> None:
            if not route.request.url.startswith(("file:", "data:", url.partition("?")[0] or "file:")):
                complaints.append(f"request: {route.request.url}")
            route.continue_()

        page.route("**/*", watch)
        file = tmp_path / f"page{len(contexts)}.html"
        if not url:
            file.write_text(document({"mode": "view", "traces": [chunk_of(one) for one in traces]}))
        page.goto(url or file.as_uri())
        until(page, "window.reflectree && window.reflectree.app.stage.stats.drawn > 0")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


def until(page: Any, holds: str) -> None:
    """Wait until an expression holds; the page's policy forbids the way in which Playwright would."""
    deadline = time.monotonic() + 20
    while not page.evaluate(holds):
        assert time.monotonic() < deadline, f"never: {holds}"
        page.wait_for_timeout(15)


def state(page: Any) -> dict[str, Any]:
    """What the page holds of its run."""
    return dict(page.evaluate(_STATE))


@pytest.mark.parametrize("name", ["mcts", "mctsr", "beam", "got", "llama-berry", "rest-mcts", "reflexion", "forest"])
def test_the_page_folds_as_the_engine_does(show: Show, name: str) -> None:
    trace = golden(name)
    page = show(trace)
    for count in (len(trace), len(trace) // 2, 3, len(trace)):
        page.evaluate(f"window.reflectree.app.seek({count})")
        found, structure = state(page), fold(trace[:count])
        nodes = range(len(structure))
        assert found["shown"] == len(structure)
        assert [found["visits"][node] for node in nodes] == structure.visits
        statuses = ["open", "terminal", "pruned", "failed"]
        assert [statuses[found["status"][node]] for node in nodes] == [step.status for step in structure.steps]
        for node in nodes:
            for mine, theirs in ((found["value"], structure.value(node)), (found["q"], structure.q(node))):
                assert mine[node] == pytest.approx(theirs, abs=1e-4) if theirs is not None else mine[node] != mine[node]


def test_it_draws_and_says_what_happened(show: Show) -> None:
    page = show(golden("mcts"))
    assert page.inner_text("h1") == "What is 6 times 7?"
    assert "answer\n40" in page.inner_text(".head")
    assert "48 calls" in page.inner_text(".head")
    assert page.inner_text("aside h2") == "Node 39"
    assert "★ the answer" in page.inner_text("aside")
    assert "What the model was shown" in page.inner_text("aside")
    colours = page.evaluate(_COLOURS)
    assert colours > 50


def test_the_slider_and_the_keys_move_time(show: Show) -> None:
    page = show(golden("mcts"))
    page.evaluate("window.reflectree.app.stage.canvas.focus()")
    page.keyboard.press("Home")
    assert (state(page)["shown"], state(page)["time"]) == (0, 0)
    for _ in range(4):
        page.keyboard.press(".")
    assert state(page)["time"] == 4
    assert "4 / 146" in page.inner_text("footer")
    before = page.evaluate("Array.from(window.reflectree.app.stage.plan.x)")
    page.locator("input[type=range]").fill("100")
    assert state(page)["time"] == 100
    assert page.evaluate("Array.from(window.reflectree.app.stage.plan.x)") == before  # nothing moves
    page.locator("input[type=range]").focus()
    page.keyboard.press("ArrowRight")
    assert state(page)["time"] == 101
    page.keyboard.press("Home")
    page.evaluate("window.reflectree.app.stage.canvas.focus()")
    page.keyboard.press("Space")
    until(page, "window.reflectree.app.stage.time > 5")
    page.keyboard.press("Space")
    held = state(page)["time"]
    page.wait_for_timeout(150)
    assert 5 < state(page)["time"] == held


def test_a_click_selects_and_the_wheel_zooms(show: Show) -> None:
    page = show(golden("mcts"))
    place = page.evaluate(
        """() => { const s = window.reflectree.app.stage, b = s.canvas.getBoundingClientRect(), v = 5;
        return [b.left + s.plan.x[v] * s.k + s.tx, b.top + s.plan.y[v] * s.k + s.ty]; }"""
    )
    page.mouse.click(*place)
    assert page.inner_text("aside h2") == "Node 5"
    assert page.locator("[role=treeitem][aria-selected=true]").get_attribute("data-node") == "5"
    scale = page.evaluate("window.reflectree.app.stage.k")
    page.mouse.wheel(0, -400)
    until(page, f"window.reflectree.app.stage.k > {scale} * 1.3")
    page.mouse.down()
    page.mouse.move(place[0] + 90, place[1] + 40, steps=4)
    page.mouse.up()
    assert page.inner_text("aside h2") == "Node 5"  # a drag is no click
    page.get_by_role("button", name="task").first.click()
    assert page.inner_text("aside h2") == "The task"


def test_search_marks_and_walks_hits(show: Show) -> None:
    page = show(golden("mcts"))
    page.keyboard.press("/")
    page.keyboard.type("Answer: 41")
    trace = golden("mcts")
    wanted = [node for node, step in enumerate(fold(trace).steps) if "Answer: 41" in step.text]
    assert state(page)["hits"] == wanted
    assert page.inner_text(".found") == f"{len(wanted)} hits"
    page.keyboard.press("Enter")
    assert state(page)["selected"] == wanted[0]
    assert page.inner_text("aside mark") == "Answer: 41"
    page.keyboard.press("Enter")
    assert state(page)["selected"] == wanted[1]
    page.keyboard.press("Escape")
    assert state(page)["hits"] == []


def test_the_keyboard_alone_is_enough(show: Show) -> None:
    page = show(golden("forest"))
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.getAttribute('role')") == "tree":
            break
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    assert state(page)["selected"] == 0
    page.keyboard.press("ArrowDown")
    assert state(page)["selected"] == 1
    label = page.locator("[role=treeitem][aria-selected=true]").get_attribute("aria-label")
    assert label.startswith("node 1, ")
    assert "Node 1" in page.inner_text("#live")
    active = page.locator("[role=tree]").get_attribute("aria-activedescendant")
    assert page.locator(f"#{active}").get_attribute("data-node") == "1"
    page.keyboard.press("Enter")
    assert "run inside" in page.inner_text(".crumbs")
    assert state(page)["shown"] > 10
    page.keyboard.press("Backspace")
    assert page.locator(".crumbs").count() == 0
    assert state(page)["selected"] == 1
    page.keyboard.press("?")
    assert "walk along the structure" in page.inner_text("dialog")
    page.keyboard.press("Escape")
    until(page, "!document.querySelector('dialog')")  # a dialog tells of its closing in a task of its own


def test_the_outline_is_a_tree_to_assistive_technology(show: Show) -> None:
    page = show(golden("mcts"))
    rows = page.locator("[role=tree] [role=treeitem]")
    assert rows.count() > 10
    first = rows.first
    assert first.get_attribute("aria-level") == "1"
    assert first.get_attribute("aria-expanded") == "true"
    assert page.locator("[role=treeitem][aria-level='2']").first.get_attribute("aria-setsize") == "8"
    assert page.evaluate(_UNNAMED) == 0


def test_two_runs_side_by_side(show: Show) -> None:
    page = show(golden("mcts"), golden("best-of-n"))
    assert page.locator(".board canvas").count() == 2
    figures = page.inner_text(".figures")
    assert "mcts" in figures
    assert "best-of-n" in figures
    page.evaluate("window.reflectree.app.seek(73)")
    times = page.evaluate("window.reflectree.app.panes.map((pane) => [pane.stage.time, pane.run.count])")
    assert [round(time / count, 1) for time, count in times] == [0.5, 0.5]
    page.get_by_label("Shared time").select_option("tokens")
    page.evaluate("window.reflectree.app.seek(40)")
    spent = page.evaluate("window.reflectree.app.panes.map(({ run, stage }) => run.bill[stage.time][2])")
    assert abs(spent[0] - spent[1]) < 200
    page.locator(".board canvas").nth(1).click(position={"x": 5, "y": 5})
    assert page.evaluate("window.reflectree.app.panes.indexOf(window.reflectree.app.pane)") == 1


def test_a_run_inside_opens_beside_another(show: Show) -> None:
    page = show(golden("forest"), golden("mcts"))
    page.evaluate("window.reflectree.app.enter(1)")
    opened = """() => {
      const { app } = window.reflectree;
      return [app.panes.map((pane) => [pane.stack.length, pane.run.head.began.blueprint]), app.where === app.length,
        app.panes.map((pane) => pane.stage.time === pane.run.count), app.panes.indexOf(app.pane)];
    }"""
    assert page.evaluate(opened) == [[[1, "mcts"], [0, "mcts"]], True, [True, True], 0]
    assert "forest" not in page.inner_text(".figures")
    page.evaluate("window.reflectree.app.focus(window.reflectree.app.panes[1])")
    page.get_by_role("button", name="forest · node 1").focus()  # by the keyboard: no click tells which pane it is in
    page.keyboard.press("Enter")
    assert page.evaluate(opened) == [[[0, "forest"], [0, "mcts"]], True, [True, True], 0]
    assert "forest" in page.inner_text(".figures")


def test_the_task_keeps_its_question_whatever_was_learnt_beside_it(show: Show) -> None:
    page = show(golden("voyager-env"))
    assert page.locator(".outline .row").first.inner_text().endswith("What is 6 times 7?")
    page.evaluate("window.reflectree.app.select(0)")
    assert "What is 6 times 7?" in page.inner_text("#live")
    assert "Learnt so far" in page.inner_text(".details")


def test_spite_hurts_nobody(show: Show) -> None:
    trace = spiteful()
    page = show(trace, trace)
    for pane in (0, 1):
        page.evaluate(f"window.reflectree.app.focus(window.reflectree.app.panes[{pane}])")
        for node in range(4):
            page.evaluate(f"window.reflectree.app.select({node})")
            page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    single = show(trace)
    single.keyboard.press("/")
    single.keyboard.type("<img")
    single.keyboard.press("Enter")
    assert single.locator("mark").first.inner_text() == "<img"
    single.evaluate("window.reflectree.app.enter(2)")
    for one in (page, single):
        one.wait_for_timeout(100)
        assert one.evaluate("window.hurt") is None
        assert one.locator("img, svg, a").count() == 0
        assert one.locator("script").count() == 2
        text = one.inner_text("body")
        assert "<img src=x onerror=" in text
        assert not set(text) & set("\u202e\u2066\x1b\x00\x07\u2028")
        assert "⟨U+202E⟩" in text


def test_the_list_of_a_folder_opens_traces_and_compares(browser: Any, tmp_path: Path) -> None:
    from reflectree.apps.view_command import write

    for name in ("mcts", "got", "beam"):
        golden(name).save(tmp_path / f"{name}.jsonl")
    spiteful().save(tmp_path / "spite.jsonl")
    write(str(tmp_path), None, "", tmp_path / "all.html")
    page = browser.new_page()
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto((tmp_path / "all.html").as_uri())
    assert page.locator("tbody tr").count() == 4
    page.get_by_role("button", name="Tokens").click()
    tokens = [int(text.replace(",", "")) for text in page.locator("tbody td:nth-child(7)").all_inner_texts()]
    assert tokens == sorted(tokens, reverse=True)
    page.get_by_label("compare mcts.jsonl").check()
    page.get_by_label("compare got.jsonl").check()
    page.get_by_role("button", name="Compare two").click()
    assert page.locator(".pane").count() == 2
    page.get_by_role("button", name="← all traces").click()
    page.get_by_role("button", name="What is 6 times 7?").first.click()
    assert page.locator(".pane").count() == 1
    page.close()
    assert problems == []


def test_a_run_that_goes_on_is_drawn_as_it_grows(show: Show, start: Any, tmp_path: Path) -> None:  # noqa: F811
    trace, file = golden("mcts"), tmp_path / "run.jsonl"
    lines = trace.dumps().splitlines(keepends=True)
    file.write_text("".join(lines[:20]))
    port = start(Shown(feed=Feed(GrowingFile(file), interval=0.02)))
    origin = f"http://127.0.0.1:{port}/"
    page = show(url=f"{origin}?token={TOKEN}")
    until(page, "document.querySelector('.lamp').textContent === 'live'")
    until(page, "window.reflectree.app.stage.time === 19")
    for count in (60, 61, len(lines)):
        file.write_text("".join(lines[:count]))
        until(page, f"window.reflectree.app.stage.time === {count - 1}")
    until(page, "document.querySelector('.lamp').textContent === 'ended'")
    assert state(page)["visits"] == fold(trace).visits
    assert "answer\n40" in page.inner_text(".head")


def test_who_looks_into_a_run_inside_is_told_of_the_end(show: Show, start: Any, tmp_path: Path) -> None:  # noqa: F811
    trace, file = golden("forest"), tmp_path / "run.jsonl"
    lines = trace.dumps().splitlines(keepends=True)
    file.write_text("".join(lines[:3]))
    port = start(Shown(feed=Feed(GrowingFile(file), interval=0.02)))
    page = show(url=f"http://127.0.0.1:{port}/?token={TOKEN}")
    page.evaluate("window.reflectree.app.stage.busy = window.reflectree.app.pane.busy = new Set([1])")
    page.evaluate("window.reflectree.app.enter(1)")
    assert page.evaluate("window.reflectree.app.stage.busy.size") == 0  # the numbers of another run's nodes
    with file.open("a") as opened:
        opened.write("".join(lines[3:]))
    until(page, "document.querySelector('.lamp').textContent === 'ended'")
    page.evaluate("window.reflectree.app.leave(window.reflectree.app.pane)")
    assert state(page)["time"] == len(trace)
    assert "forest" in page.inner_text(".head")


def test_dark_light_and_narrow(show: Show) -> None:
    def paper(page: Any) -> str:
        return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))

    light, night = show(golden("mcts")), show(golden("mcts"), scheme="dark")
    assert paper(light) != paper(night)
    light.keyboard.press("t")
    assert paper(light) == paper(night)
    for width in (1024, 380):
        page = show(golden("mcts"), width=width, height=740)
        overflow = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert overflow <= 0
        box = page.locator(".board canvas").bounding_box()
        assert box["height"] > 150
        assert box["x"] + box["width"] <= width
    both = show(golden("mcts"), golden("beam"), width=420, height=800)
    assert both.evaluate("document.querySelector('.controls').scrollWidth <= document.documentElement.clientWidth")
    assert both.locator(".board canvas").first.bounding_box()["height"] > 100


_BOARDS = """() => [...document.querySelectorAll(".board canvas")].map((board, i) => {
  const { stage } = window.reflectree.app.panes[i];
  return { pixels: [board.width, board.height], view: [stage.k, stage.tx, stage.ty, stage.width, stage.height] };
})"""


def test_it_is_drawn_anew_for_paper_and_then_as_it_was(show: Show) -> None:
    page = show(golden("mcts"), golden("beam"), scheme="dark", width=1280, height=420)
    page.evaluate("window.reflectree.app.panes[1].stage.zoom(2)")
    before = page.evaluate(_BOARDS)
    page.emulate_media(media="print")
    assert page.locator(".bar").is_hidden()
    assert page.locator(".legend .key").first.is_visible()
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    for board, (width, height) in ((board, board["pixels"]) for board in page.evaluate(_BOARDS)):
        assert width / height == pytest.approx(board["view"][3] / board["view"][4], abs=0.01)
        assert width > 2000  # a sheet's width, sharp
    assert page.evaluate(_COLOURS) > 20
    assert page.evaluate("getComputedStyle(document.querySelector('.board canvas')).objectFit") == "contain"
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(27, 32, 38)"
    page.emulate_media(media="screen")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    until(page, f"JSON.stringify(({_BOARDS})().map((one) => one.pixels)) === '{_pixels(before)}'")
    for one, was in zip(page.evaluate(_BOARDS), before, strict=True):
        assert one["view"] == pytest.approx(was["view"], abs=0.5)
    assert len(page.pdf()) > 5000


def _pixels(boards: list[dict[str, Any]]) -> str:
    return json.dumps([board["pixels"] for board in boards], separators=(",", ":"))


_FRAMES = """async (kind) => {
  const { app } = window.reflectree, { stage } = app, frames = [], work = [];
  let last = await new Promise(requestAnimationFrame);
  for (let i = 0; i < 90; i++) {
    if (kind === "pan") stage.pan(i % 2 ? 7 : 5, i % 3 ? 4 : -3);
    else if (kind === "zoom") stage.zoom(i < 45 ? 1.06 : 1 / 1.06);
    else app.seek(Math.round(app.length * (i % 45) / 45));
    const now = await new Promise(requestAnimationFrame);
    frames.push(now - last); last = now; work.push(stage.stats.ms);
  }
  const at = (list, share) => [...list].sort((a, b) => a - b)[Math.floor(list.length * share)];
  return [at(frames, 0.5), at(frames, 0.95), at(work, 0.5), at(work, 0.95)];
}"""


def test_five_thousand_nodes(show: Show) -> None:
    page = show(grown(5000), width=1440, height=900)
    for kind in ("pan", "zoom", "slide"):
        found = page.evaluate(_FRAMES, kind)
        words = ("frame p50", "frame p95", "drawing p50", "drawing p95")
        told = ", ".join(f"{word} {ms:.1f} ms" for word, ms in zip(words, found, strict=True))
        print(f"\n5,000 nodes, {kind}: {told}")
    page.evaluate("window.reflectree.app.seek(1e9); window.reflectree.app.fit()")
    until(page, "window.reflectree.app.stage.stats.nodes === 5001")
    page.evaluate("window.reflectree.app.select(4000); window.reflectree.app.stage.zoom(200)")
    page.evaluate("window.reflectree.app.select(4000)")
    until(page, "window.reflectree.app.stage.stats.nodes < 300")  # what is out of sight is not drawn
    assert state(page)["drawn"]["labels"] <= 300
    assert page.locator("[role=treeitem]").count() < 120  # nor are there elements for rows out of sight
