/* The structure as a list that a keyboard and a screen reader can walk; only the rows in sight are elements. */
const LINE = 26;

class Outline {
  constructor(host, on) {
    this.host = host; this.on = on; this.open = new Set([0]); this.rows = []; this.run = null; this.shown = 0;
    this.sheet = el("div", { class: "sheet" });
    host.append(this.sheet);
    host.addEventListener("scroll", () => this.paint());
    new ResizeObserver(() => this.paint()).observe(host);
    host.addEventListener("click", (event) => {
      const row = event.target.closest("[data-node]");
      if (!row) return;
      const node = Number(row.dataset.node);
      if (event.target.classList.contains("twist")) this.turn(node); else this.on.select(node);
    });
    host.addEventListener("dblclick", (event) => { const row = event.target.closest("[data-node]"); if (row) this.on.open(Number(row.dataset.node)); });
  }

  take(run) {
    this.run = run; this.open = new Set([0]);
    for (const node of run.way) this.open.add(node);
    if (run.nodes <= 300) for (let v = 0; v < run.nodes; v++) this.open.add(v);
  }

  kids(node) { return this.run.children[node].filter((child) => child < this.shown); }

  update(state, selected, hits, hit) {
    this.state = state; this.shown = state.shown; this.selected = selected; this.hits = hits; this.hit = hit;
    const rows = [], stack = state.shown ? [[0, 1, 1, 1]] : [];
    while (stack.length) {
      const [node, level, place, of] = stack.pop();
      rows.push({ node, level, place, of });
      if (!this.open.has(node)) continue;
      const kids = this.kids(node);
      for (let i = kids.length - 1; i >= 0; i--) stack.push([kids[i], level + 1, i + 1, kids.length]);
    }
    this.rows = rows;
    this.sheet.style.height = `${rows.length * LINE}px`;
    this.paint();
  }

  reveal(node) {
    for (let v = this.run.parent[node]; v >= 0; v = this.run.parent[v]) this.open.add(v);
  }

  scroll(node) {
    const at = this.rows.findIndex((row) => row.node === node) * LINE, { host } = this;
    if (at < 0) return;
    if (at < host.scrollTop) host.scrollTop = at;
    else if (at + LINE > host.scrollTop + host.clientHeight) host.scrollTop = at + LINE - host.clientHeight;
    this.paint();
  }

  turn(node) {
    if (this.open.has(node)) this.open.delete(node); else this.open.add(node);
    this.update(this.state, this.selected, this.hits, this.hit);
  }

  paint() {
    const { host, run, state } = this;
    if (!run || !state) return;
    const first = Math.max(0, Math.floor(host.scrollTop / LINE) - 6);
    const last = Math.min(this.rows.length, first + Math.ceil(host.clientHeight / LINE) + 12);
    const made = [];
    for (let i = first; i < last; i++) made.push(this.row(this.rows[i], i));
    const chosen = this.rows.findIndex((row) => row.node === this.selected);
    if (chosen >= 0 && (chosen < first || chosen >= last)) made.push(this.row(this.rows[chosen], chosen));
    this.sheet.replaceChildren(...made);
    host.setAttribute("aria-activedescendant", chosen >= 0 ? `row-${this.selected}` : "");
  }

  row({ node, level, place, of }, at) {
    const { run, state } = this, kids = this.kids(node), value = state.value(node), status = state.status[node];
    const answer = state.answered && run.head.answered && run.head.answered.node === node && node > 0;
    const mark = node === 0 ? "■" : answer ? "★" : status === PRUNED ? "⊘" : status === FAILED ? "✗" : status === TERMINAL ? "◆" : "●";
    const words = oneLine(state.words(run, node), 90);
    const name = node === 0 ? `task: ${words}` : `node ${node}, ${answer ? "the answer" : STATUS[status]}, value ${score(value)}, ${many(state.visits[node], "visit")}: ${words}`;
    const row = el("div", {
      id: `row-${node}`, role: "treeitem", class: "row", "data-node": node, "aria-level": level, "aria-posinset": place, "aria-setsize": of,
      "aria-expanded": kids.length ? this.open.has(node) : null, "aria-selected": node === this.selected, "aria-label": name,
      "data-hit": this.hits.has(node), "data-way": state.answered && run.way.has(node), "data-status": STATUS[status],
    },
    el("span", { class: "twist", "aria-hidden": "true" }, kids.length ? (this.open.has(node) ? "▾" : "▸") : ""),
    el("span", { class: "mark", "aria-hidden": "true" }, mark),
    node === 0 ? null : el("span", { class: "value", "aria-hidden": "true" }, score(value)),
    said(words, this.hit, "span"));
    row.style.top = `${at * LINE}px`;
    row.style.paddingLeft = `${6 + Math.min(level - 1, 14) * 12}px`;
    const shade = shadeOf(value);
    if (shade >= 0) row.children[1].style.setProperty("--shade", SHADE[shade]);
    row.children[1].classList.toggle("scored", shade >= 0);
    return row;
  }
}
