/* The page: panes, timeline, search, keys, live updates. */
const data = JSON.parse($("data").textContent);
const token = new URLSearchParams(location.search).get("token");
const withToken = (path) => `${path}${path.includes("?") ? "&" : "?"}token=${encodeURIComponent(token || "")}`;
const kept = {
  get(name) { try { return localStorage.getItem(`reflectree-${name}`); } catch { return null; } },
  set(name, value) { try { localStorage.setItem(`reflectree-${name}`, value); } catch { /* a file's page may have no store */ } },
};
const KEYS = [["← ↑ → ↓", "walk along the structure"], ["Enter", "open the run inside a node, or centre it"], ["Backspace", "back to the run outside"], ["Space", "play, pause"], [", .", "one event back, on"],
  ["Home End", "first, last event"], ["/", "search; n and p for the next and the previous hit"], ["+ −", "zoom"], ["f", "fit all"], ["l", "across or radial"], ["a", "go to the answer"], ["t", "dark, light"], ["o", "outline"], ["?", "this help"]];

function themed() {
  const chosen = kept.get("theme");
  document.documentElement.dataset.theme = chosen === "dark" || chosen === "light" ? chosen : "auto";
}
const dark = () => { const set = document.documentElement.dataset.theme; return set === "auto" ? matchMedia("(prefers-color-scheme: dark)").matches : set === "dark"; };

function headOf(run, back, brief) {
  const { head } = run, [kind, words] = verdict(head), began = head.began, end = head.answered;
  const item = (name, value, kind = "") => (value ? el("div", { class: `item ${kind}` }, el("span", { class: "name" }, name), said(value, "", "span")) : null);
  return el("div", { class: "head" },
    back,
    el("h1", { dir: "auto", title: run.question.slice(0, 2000) }, oneLine(run.question, 400)),
    el("div", { class: "items" }, brief ? el("b", {}, brief) : null,
      el("span", { class: `chip verdict ${kind}` }, words),
      item("answer", end && end.answer !== null ? oneLine(end.answer, 140) : "", "answer"),
      item("blueprint", began ? oneLine(began.blueprint, 60) : ""),
      ...(brief ? [] : [item("policy", began ? oneLine(began.policy, 60) : ""), item("nodes", number(Math.max(0, run.nodes - 1))), item("usage", bill(head.usage)), item("stopped", end ? oneLine(end.why, 80) : "")]),
      began && began.oracle ? item("oracle", "the search saw the gold answer", "bad") : null),
    ...head.problems.map((problem) => el("p", { class: "problem", role: "alert" }, `⚠ ${problem}`)));
}

class Pane {
  constructor(app, run, name, brief) {
    this.app = app; this.brief = brief; this.stack = []; this.busy = new Set(); this.run = run; this.name = name; this.selected = 0;
    this.canvas = el("canvas", { tabindex: 0, role: "img", "aria-label": "The structure, drawn. The outline beside it says the same in words." });
    this.header = el("header", {});
    this.host = el("section", { class: "pane", "aria-label": name || "run" }, this.header, el("div", { class: "board" }, this.canvas));
    this.stage = new Stage(this.canvas, run, { select: (node) => { app.focus(this); app.select(node); }, open: (node) => { app.focus(this); app.select(node); app.enter(node); } });
    this.canvas.addEventListener("focus", () => app.focus(this));
    this.host.addEventListener("pointerdown", () => app.focus(this));
    new ResizeObserver(() => { if (app.printing !== undefined) return; const first = this.stage.width === 1; this.stage.resize(); if (first || this.stage.fitted) this.stage.fit(); }).observe(this.canvas);
    this.headed();
  }

  headed() {
    const steps = this.stack.map(({ run, node }, at) => el("button", { class: "link", on: { click: () => this.app.leave(this, at) } }, at === 0 ? `${run.head.began ? run.head.began.blueprint || "run" : "run"} · node ${node}` : `node ${node}`));
    const back = steps.length ? el("nav", { class: "crumbs", "aria-label": "runs outside" }, ...steps.flatMap((step) => [step, " › "]), "run inside") : null;
    this.header.replaceChildren(headOf(this.run, back, this.brief));
  }

  take(run, selected) {
    this.run = run; this.stage.run = run; this.stage.wanted = null; this.stage.hovered = -1; this.stage.hits = new Set();
    this.stage.busy = this.stack.length ? new Set() : this.busy;
    this.stage.relayout(); this.stage.fit(); this.selected = selected;
    this.headed();
  }
}

class App {
  constructor(runs, names) {
    themed();
    this.playing = 0; this.share = 1; this.hit = ""; this.rate = 1; this.by = "share";
    this.panes = runs.map((run, i) => new Pane(this, run, names[i], runs.length > 1 ? "AB"[i] : ""));
    this.pane = this.panes[0];
    this.build();
    this.outline.take(this.pane.run);
    const end = this.run.head.answered;
    this.pane.selected = end && end.node > 0 ? end.node : 0;
    this.coloured();
    this.timed();
    requestAnimationFrame(() => this.outline.scroll(this.pane.selected));
    addEventListener("keydown", (event) => this.key(event));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.coloured());
    addEventListener("beforeprint", () => { this.printing = document.documentElement.dataset.theme; document.documentElement.dataset.theme = "light"; for (const { stage } of this.panes) stage.onPaper(this.panes.length > 1); this.coloured(true); });
    addEventListener("afterprint", () => { document.documentElement.dataset.theme = this.printing; this.printing = undefined; for (const { stage } of this.panes) stage.offPaper(); this.coloured(); });
  }

  get run() { return this.pane.run; }
  get stage() { return this.pane.stage; }
  get length() { return Math.max(...this.panes.map((pane) => pane.run.count)); }

  build() {
    const tool = (label, title, act, extra = {}) => el("button", { class: "tool", title, "aria-label": title, on: { click: act }, ...extra }, label);
    this.find = el("input", { type: "search", placeholder: "Search texts", "aria-label": "Search texts", on: {
      input: () => this.search(this.find.value),
      keydown: (event) => { if (event.key === "Enter") { event.preventDefault(); this.hop(event.shiftKey ? -1 : 1); } else if (event.key === "Escape") { this.find.value = ""; this.search(""); this.stage.canvas.focus(); } event.stopPropagation(); } } });
    this.found = el("span", { class: "found", role: "status" });
    const back = data.mode === "list" || data.folder ? el("button", { class: "tool wide", on: { click: () => this.home() } }, "← all traces") : null;
    this.bar = el("div", { class: "bar", role: "toolbar", "aria-label": "View" }, back,
      el("span", { class: "brand" }, "reflectree"), el("span", { class: "space" }),
      this.find, this.found, tool("‹", "Previous hit (p)", () => this.hop(-1)), tool("›", "Next hit (n)", () => this.hop(1)),
      el("span", { class: "gap" }), tool("−", "Smaller (-)", () => this.stage.zoom(1 / 1.3), { class: "tool spare" }), tool("+", "Larger (+)", () => this.stage.zoom(1.3), { class: "tool spare" }), tool("⤢", "Fit all (f)", () => this.fit()),
      tool("◎", "Across or radial (l)", () => this.turn()), tool("☰", "Outline (o)", () => this.outlined(), { class: "tool spare" }), tool("◐", "Dark or light (t)", () => this.shade()), tool("?", "Keys (?)", () => this.help()));
    this.list = el("div", { class: "outline", role: "tree", tabindex: 0, "aria-label": "Steps" });
    this.outline = new Outline(this.list, { select: (node) => this.select(node), open: (node) => this.enter(node) });
    this.side = el("aside", { class: "details", "aria-label": "Details", tabindex: 0 });
    this.legend = el("div", { class: "legend", "aria-label": "Legend" }, el("span", {}, "value 0"), el("span", { class: "ramp" }), el("span", {}, "1"),
      ...[["●", "step"], ["◆", "answer"], ["★", "the answer"], ["⊘", "pruned"], ["✗", "failed"], ["○", "not scored"], ["◎", "a run inside"]].map(([sign, words]) => el("span", { class: "key" }, el("b", {}, sign), words)), el("span", { class: "key" }, "size: visits"), data.live ? el("span", { class: "key" }, el("b", {}, "◌"), "call in flight") : null);
    this.strip = el("canvas", { class: "strip", "aria-hidden": "true" });
    this.slider = el("input", { type: "range", min: 0, max: this.length, value: this.length, step: 1, "aria-label": "Moment: events so far", on: { input: () => { this.pause(); this.seek(Number(this.slider.value)); } } });
    this.play = tool("▶", "Play (space)", () => this.toggle());
    this.rateBox = el("select", { "aria-label": "Speed", on: { change: () => { this.rate = Number(this.rateBox.value); } } }, ...[0.25, 0.5, 1, 2, 4].map((rate) => el("option", { value: rate, selected: rate === 1 }, `${rate}×`)));
    this.now = el("output", { class: "now" });
    this.tale = el("p", { class: "tale", dir: "auto" });
    const shared = this.panes.length > 1 ? el("select", { "aria-label": "Shared time", on: { change: () => { this.by = this.shared.value; this.seek(this.length); this.timed(); } } },
      el("option", { value: "share" }, "same share of events"), el("option", { value: "events" }, "same event"), el("option", { value: "tokens" }, "same tokens")) : null;
    this.shared = shared;
    const time = el("footer", { class: "time" }, el("div", { class: "controls" }, this.play, this.rateBox, el("div", { class: "track" }, this.strip, this.slider), this.now, shared), this.tale);
    this.figures = this.panes.length > 1 ? el("div", { class: "figures" }) : null;
    this.middle = el("div", { class: `panes ${this.panes.length > 1 ? "two" : ""}` }, ...this.panes.map((pane) => pane.host));
    $("app").replaceChildren(this.bar, el("main", { class: kept.get("outline") === "off" || (this.panes.length > 1 && kept.get("outline") !== "on") ? "bare" : "" }, this.list, el("div", { class: "centre" }, this.middle, this.figures, this.legend), this.side), time);
    if (this.figures) this.compared();
    new ResizeObserver(() => this.stripped()).observe(this.strip);
  }

  compared() {
    const figure = (run) => {
      const { head } = run, usage = head.usage, end = head.answered, deep = run.depth.reduce((a, b) => Math.max(a, b), 0);
      const answers = new Set(), last = run.at(run.count);
      for (let v = 0; v < run.nodes; v++) if (last.answerId[v] && last.status[v] === TERMINAL) answers.add(last.answerId[v]);
      return [head.began ? head.began.blueprint : "", head.began ? head.began.policy : "", end && end.answer !== null ? end.answer : "none", verdict(head)[1], end && end.score !== null ? score(end.score) : "–",
        number(run.nodes - 1), String(deep), number(answers.size), number(usage[0]), number(usage[2] + usage[3]), dollars(usage[4]), end ? end.why : "not finished"];
    };
    const names = ["blueprint", "policy", "answer", "verdict", "score", "nodes", "depth", "different answers", "calls", "tokens", "cost", "stopped"];
    const columns = this.panes.map((pane) => figure(pane.run));
    const table = el("table", {}, el("caption", { class: "unseen" }, "Figures of both runs"), el("thead", {}, el("tr", {}, el("th", { scope: "col" }, ""), ...names.map((name) => el("th", { scope: "col" }, name)))),
      el("tbody", {}, ...columns.map((cells, i) => el("tr", {}, el("th", { scope: "row" }, i ? "B" : "A"), ...cells.map((cell, at) => el("td", { class: columns[0][at] !== columns[1][at] ? "differs" : "" }, said(oneLine(cell, 60), "", "span")))))));
    this.figures.replaceChildren(table);
  }

  coloured(now) {
    const style = document.documentElement;
    style.classList.toggle("dark", dark() && !now);
    for (const pane of this.panes) { pane.stage.colours(); if (now) pane.stage.draw(); else pane.stage.asked(); }
    this.stripped();
  }

  shade() { kept.set("theme", dark() ? "light" : "dark"); document.documentElement.dataset.theme = dark() ? "light" : "dark"; this.coloured(); }

  outlined() { const main = document.querySelector("main"); main.classList.toggle("bare"); kept.set("outline", main.classList.contains("bare") ? "off" : "on"); }

  turn() {
    this.stage.wanted = this.stage.plan.way === "across" ? "radial" : "across";
    this.stage.relayout(); this.stage.fit();
  }

  fit() { for (const pane of this.panes) pane.stage.fit(); }

  focus(pane) {
    if (this.pane === pane) return;
    this.pane = pane;
    for (const one of this.panes) one.host.classList.toggle("focused", one === pane);
    this.outline.take(pane.run);
    this.search(this.find.value);
    this.timed(); this.stripped();
  }

  /* how many events of each pane stand at the shared moment */
  moment(run, at) {
    if (this.panes.length < 2 || this.by === "events") return Math.min(at, run.count);
    if (this.by === "share") return Math.round((at / this.length) * run.count);
    const tokens = (bill) => bill[2] + bill[3], most = Math.max(...this.panes.map((pane) => tokens(pane.run.bill[pane.run.count])));
    if (at >= this.length) return run.count;
    const goal = (at / this.length) * most;
    let low = 0, high = run.count;
    while (low < high) { const middle = (low + high + 1) >> 1; if (tokens(run.bill[middle]) <= goal) low = middle; else high = middle - 1; }
    return low;
  }

  seek(at) {
    this.where = Math.max(0, Math.min(at, this.length));
    this.timed();
  }

  timed() {
    if (this.where === undefined) this.where = this.length;
    this.slider.max = this.length; this.slider.value = this.where;
    for (const pane of this.panes) {
      const { stage } = pane;
      stage.time = this.moment(pane.run, this.where); stage.selected = pane.selected;
      stage.asked();
    }
    const { run, pane } = this, time = this.stage.time, state = run.at(time);
    const usage = run.bill[time];
    this.now.textContent = `${number(time)} / ${number(run.count)}`;
    this.now.title = bill(usage);
    this.slider.setAttribute("aria-valuetext", time ? `${number(time)} of ${number(run.count)} events: ${told(run, time - 1)}` : "nothing yet");
    this.tale.replaceChildren(said(time ? told(run, time - 1) : "nothing yet", "", "span"), el("span", { class: "quiet" }, `  ${bill(usage)}`));
    this.outline.update(state, pane.selected, this.stage.hits, this.hit);
    this.detailed();
  }

  detailed() {
    const { run, pane } = this, state = run.at(this.stage.time);
    if (pane.selected >= state.shown) {
      this.side.replaceChildren(el("p", { class: "quiet" }, state.shown ? `Node ${pane.selected} is not there yet: it comes with event ${run.born[pane.selected]}.` : "Nothing has happened yet."));
      this.drawn = "";
      return;
    }
    const key = [pane.selected, run.touched[pane.selected].filter((seq) => seq < state.applied).length, this.hit, this.panes.indexOf(pane), run.count, state.visits[pane.selected], state.answered,
      run.children[pane.selected].filter((child) => child < state.shown).length].join();
    if (key === this.drawn && this.drawnRun === run) return;
    this.drawn = key; this.drawnRun = run;
    const top = this.drawnNode === pane.selected ? this.side.scrollTop : 0;
    this.side.replaceChildren(...details(this, run, state, pane.selected, this.hit));
    this.side.scrollTop = top; this.drawnNode = pane.selected;
  }

  select(node, quiet) {
    if (node < 0 || node >= this.run.nodes) return;
    this.pane.selected = node;
    if (node >= this.stage.state?.shown) this.where = this.length;
    this.outline.reveal(node);
    this.timed();
    this.stage.show(node);
    this.outline.scroll(node);
    const state = this.run.at(this.stage.time);
    if (!quiet) $("live").textContent = `${node ? `Node ${node}` : "Task"}, value ${score(state.value(node))}, ${STATUS[state.status[node]]}: ${oneLine(state.words(this.run, node), 120)}`;
  }

  enter(node) {
    const inner = this.run.nested[this.run.born[node]];
    if (!inner || inner.left_out) { this.stage.show(node); return; }
    const where = this.where < this.length ? this.where : undefined;  /* who stood at the end stands there again, wherever it is then */
    this.pane.stack.push({ run: this.run, node, where });
    this.moved(inner.made || (inner.made = new Run(inner)), 0);
  }

  leave(pane, at = pane.stack.length - 1) {
    if (at < 0) return;
    this.focus(pane);
    const { run, node, where } = pane.stack[at];
    pane.stack.length = at;
    this.moved(run, node, where);
  }

  moved(run, selected, where) {
    this.pause();
    this.pane.take(run, selected);
    this.where = where === undefined ? this.length : Math.min(where, this.length);
    if (this.figures) this.compared();
    this.outline.take(run); this.outline.reveal(selected); this.drawn = "";
    this.search(this.find.value);
    this.timed(); this.stripped();
    $("live").textContent = `Run ${run.head.id || ""}: ${many(run.nodes - 1, "node")}`;
  }

  search(words) {
    this.hit = words.trim();
    const { run } = this, hits = [], wanted = this.hit.toLowerCase(), c = run.cells;
    if (wanted) {
      const match = run.texts.map((text) => text.toLowerCase().includes(wanted));
      const hit = new Uint8Array(run.nodes);
      for (let seq = 0; seq < run.count; seq++) {
        const node = c.node[seq];
        if (node >= 0 && node < run.nodes && run.op[seq] !== OP.answer && (match[c.text[seq]] || match[c.note[seq]] || match[c.answer[seq]])) hit[node] = 1;
      }
      hit.forEach((one, node) => { if (one) hits.push(node); });
    }
    this.hitList = hits; this.stage.hits = new Set(hits); this.hitAt = -1;
    this.found.textContent = wanted ? `${many(hits.length, "hit")}` : "";
    this.timed();
  }

  hop(by) {
    const { hitList } = this;
    if (!hitList || !hitList.length) return;
    this.hitAt = this.hitAt < 0 && by < 0 ? hitList.length - 1 : (this.hitAt + by + hitList.length) % hitList.length;
    this.found.textContent = `${this.hitAt + 1} of ${number(hitList.length)}`;
    this.select(hitList[this.hitAt]);
  }

  toggle() { if (this.playing) this.pause(); else this.start(); }

  pause() { if (this.playing) cancelAnimationFrame(this.playing); this.playing = 0; this.play.textContent = "▶"; this.play.setAttribute("aria-label", "Play (space)"); }

  start() {
    if (this.where >= this.length) this.where = 0;
    let last = performance.now(), part = this.where;
    const pace = Math.max(4, Math.min(this.length / 14, 900));
    const step = (now) => {
      part = Math.min(this.length, part + ((now - last) / 1000) * pace * this.rate); last = now;
      if (Math.floor(part) !== this.where) this.seek(Math.floor(part));
      if (part >= this.length) { this.pause(); return; }
      this.playing = requestAnimationFrame(step);
    };
    this.play.textContent = "❚❚"; this.play.setAttribute("aria-label", "Pause (space)");
    this.playing = requestAnimationFrame(step);
  }

  /* a strip of what happened when */
  stripped() {
    const { strip, run } = this, box = strip.getBoundingClientRect(), dense = Math.min(devicePixelRatio || 1, 2), ink = this.stage.ink;
    if (!box.width || !ink) return;
    strip.width = box.width * dense; strip.height = box.height * dense;
    const pen = strip.getContext("2d"), high = strip.height, colour = { grow: ink.edge, evaluate: ink.join, bad: ink.bad, other: ink.soft };
    const kind = (op) => (grows(op) ? "grow" : op === OP.evaluate ? "evaluate" : op === OP.failed || op === OP.prune ? "bad" : "other");
    const bins = Math.max(1, Math.floor(box.width / 3)), count = Array.from({ length: bins }, () => ({}));
    for (let seq = 0; seq < run.count; seq++) { const bin = count[Math.min(bins - 1, Math.floor((seq / run.count) * bins))], name = kind(run.op[seq]); if (run.op[seq] !== OP.backpropagate) bin[name] = (bin[name] || 0) + 1; }
    const most = Math.max(1, ...count.map((bin) => Object.values(bin).reduce((a, b) => a + b, 0)));
    count.forEach((bin, i) => {
      let base = high;
      for (const name of ["grow", "evaluate", "other", "bad"]) {
        const tall = ((bin[name] || 0) / most) * high;
        pen.fillStyle = colour[name]; pen.fillRect((i * strip.width) / bins, base - tall, strip.width / bins - 1 * dense, tall); base -= tall;
      }
    });
  }

  help() {
    const box = el("dialog", { "aria-label": "Keys", on: { close: () => box.remove(), click: (event) => { if (event.target === box) box.close(); } } }, el("h2", {}, "Keys"),
      el("dl", { class: "keys" }, ...KEYS.map(([keys, words]) => el("div", {}, el("dt", {}, ...keys.split(" ").map((one) => el("kbd", {}, one))), el("dd", {}, words)))), el("button", { class: "wide", autofocus: true, on: { click: () => box.close() } }, "Close (Esc)"));
    document.body.append(box);
    box.showModal();
  }

  home() { if (data.mode === "list") listed(); else location.href = withToken("/"); }

  near(dx, dy) {
    const { plan, state } = this.stage, from = this.pane.selected;
    let best = -1, least = Infinity;
    for (let v = 0; v < state.shown; v++) {
      const x = plan.x[v] - plan.x[from], y = plan.y[v] - plan.y[from], along = x * dx + y * dy, aside = Math.abs(x * dy) + Math.abs(y * dx);
      if (v === from || along <= 0) continue;
      const far = along + aside * 4;
      if (far < least) { least = far; best = v; }
    }
    return best;
  }

  walk(key) {
    const { run, pane, outline } = this, at = pane.selected, inList = document.activeElement === this.list;
    const kids = run.children[at].filter((child) => child < this.stage.state.shown);
    if (inList && (key === "ArrowUp" || key === "ArrowDown")) {
      const place = outline.rows.findIndex((row) => row.node === at) + (key === "ArrowDown" ? 1 : -1);
      if (outline.rows[place]) this.select(outline.rows[place].node);
      return;
    }
    if (key === "ArrowRight") {
      if (inList && kids.length && !outline.open.has(at)) { outline.turn(at); return; }
      if (kids.length) this.select(kids.reduce((a, b) => (run.way.has(b) ? b : a), kids[0])); else if (run.joined[at].length) this.select(run.joined[at][0]);
    } else if (key === "ArrowLeft") {
      if (inList && kids.length && outline.open.has(at)) { outline.turn(at); return; }
      if (at) this.select(run.parent[at]);
    } else if (at) {
      const row = run.children[run.parent[at]].filter((child) => child < this.stage.state.shown), to = row[row.indexOf(at) + (key === "ArrowDown" ? 1 : -1)];
      const other = to === undefined ? this.near(0, key === "ArrowDown" ? 1 : -1) : to;
      if (other >= 0) this.select(other);
    }
  }

  key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || document.querySelector("dialog") || !$("app").contains(this.bar)) return;
    const field = event.target.tagName, { key } = event;
    if (field === "INPUT" && event.target.type === "search") return;
    if (field === "SELECT" || field === "SUMMARY") return;
    if (field === "BUTTON" && (key === " " || key === "Enter")) return;
    if (field === "INPUT" && key.startsWith("Arrow")) return;
    if (event.target === this.side && (key === "ArrowUp" || key === "ArrowDown")) return;
    const acts = {
      " ": () => this.toggle(), "/": () => { this.find.focus(); this.find.select(); }, n: () => this.hop(1), p: () => this.hop(-1), "+": () => this.stage.zoom(1.3), "=": () => this.stage.zoom(1.3),
      "-": () => this.stage.zoom(1 / 1.3), f: () => this.fit(), l: () => this.turn(), t: () => this.shade(), o: () => this.outlined(), "?": () => this.help(), ",": () => { this.pause(); this.seek(this.where - 1); },
      ".": () => { this.pause(); this.seek(this.where + 1); }, Home: () => { this.pause(); this.seek(0); }, End: () => { this.pause(); this.seek(this.length); }, Enter: () => this.enter(this.pane.selected),
      Backspace: () => this.leave(this.pane), a: () => { const end = this.run.head.answered; if (end && end.node > 0) this.select(end.node); },
    };
    if (key.startsWith("Arrow")) { event.preventDefault(); this.walk(key); return; }
    if (!acts[key]) return;
    event.preventDefault();
    acts[key]();
  }

  /* more of a run that goes on */
  more(message) {
    const pane = this.panes[0], outer = pane.stack.length ? pane.stack[0].run : pane.run, follows = this.where >= this.length && !pane.stack.length;
    const before = outer.nodes;
    if (message.chunk) outer.append(message.chunk);
    pane.busy = new Set((message.busy || []).flat());
    this.lit(message.ended ? "ended" : "live");
    if (pane.stack.length) return;
    pane.stage.busy = pane.busy;
    if (outer.nodes !== before) { pane.stage.relayout(); if (pane.stage.fitted) pane.stage.fit(); }
    pane.stage.way = outer.way;
    if (outer.nodes <= 300) for (let v = before; v < outer.nodes; v++) this.outline.open.add(v);
    if (this.hit) this.search(this.find.value);
    if (follows) this.where = this.length;
    pane.headed(); this.timed(); this.stripped();
  }

  lit(words) {
    if (!this.lamp) { this.lamp = el("span", { class: "lamp", role: "status" }); this.bar.querySelector(".brand").after(this.lamp); }
    if (this.lamp.textContent !== words) this.lamp.textContent = words;
    this.lamp.dataset.state = words;
  }

  follow() {
    const source = new EventSource(withToken(`/events?from=${this.run.count}`));
    this.lit("live");
    source.onmessage = (event) => {
      const message = JSON.parse(event.data);
      this.more(message);
      if (message.ended) source.close();
    };
    source.onerror = () => { source.close(); this.lit("connection lost"); };
  }
}
