/* The drawing of one run on a canvas. Only what lies in the window is drawn, and the less of it the smaller it is. */

/* Viridis: even steps of lightness, told apart by every kind of colour vision. */
const SCALE = [[68, 1, 84], [72, 40, 120], [62, 73, 137], [49, 104, 142], [38, 130, 142], [31, 158, 137], [53, 183, 121],
  [110, 206, 88], [181, 222, 43], [253, 231, 37]];
const SHADES = 24;
const rgb = (value) => {
  const place = Math.max(0, Math.min(1, value)) * (SCALE.length - 1), low = Math.min(Math.floor(place), SCALE.length - 2);
  return SCALE[low].map((part, i) => Math.round(part + (SCALE[low + 1][i] - part) * (place - low)));
};
const SHADE = Array.from({ length: SHADES }, (_, i) => `rgb(${rgb(i / (SHADES - 1)).join(",")})`);
const shadeOf = (value) => (Number.isNaN(value) ? -1 : Math.round(Math.max(0, Math.min(1, value)) * (SHADES - 1)));
const MOST_LABELS = 220;
const PIECE = 16;  /* lines stroked together: one path of thousands is slower to fill in than many short ones */

class Stage {
  constructor(canvas, run, on) {
    this.canvas = canvas; this.run = run; this.on = on;
    this.pen = canvas.getContext("2d", { alpha: false });
    this.k = 1; this.tx = 0; this.ty = 0; this.width = this.height = 1;
    this.selected = 0; this.hovered = -1; this.hits = new Set(); this.busy = new Set(); this.wanted = null;
    this.stats = { nodes: 0, edges: 0, labels: 0, drawn: 0, ms: 0 };
    this.time = run.count;
    this.relayout();
    this._listen();
  }

  relayout() {
    this.plan = layout(this.run, this.wanted, this.plan ? this.plan.column : COLUMN);
    this.way = this.run.way;
    this.size = new Float32Array(this.run.nodes);
    this.asked();
  }

  asked() {
    if (this.waiting) return;
    this.waiting = requestAnimationFrame(() => { this.waiting = 0; this.draw(); });
  }

  colours() {
    const style = getComputedStyle(document.documentElement);
    const of = (name) => style.getPropertyValue(name).trim();
    this.ink = {
      paper: of("--canvas"), edge: of("--edge"), join: of("--join"), way: of("--way"), text: of("--text"), soft: of("--soft"),
      line: of("--node-line"), none: of("--panel"), select: of("--accent"), hit: of("--hit"), bad: of("--bad"), font: of("--sans"),
    };
  }

  resize() {
    const box = this.canvas.getBoundingClientRect();
    this._sized(box.width, box.height, Math.min(window.devicePixelRatio || 1, 2));
    this.asked();
  }

  _sized(width, height, dense) {
    this.width = Math.max(1, width); this.height = Math.max(1, height); this.dense = dense;
    this.canvas.width = Math.round(this.width * dense); this.canvas.height = Math.round(this.height * dense);
  }

  /* Paper has a shape of its own, and nobody is told of it before it is printed: the drawing is made for a sheet's
     width (page.css keeps its proportions), and shows what the window showed. */
  onPaper(half) {
    const { width, height, k, tx, ty } = this;
    this.window = { k, tx, ty };
    this._sized(720, half ? 340 : 450, 3);
    if (this.fitted || width === 1) this.fit();  /* 1: it was never shown */
    else {
      const ratio = Math.min(this.width / width, this.height / height);
      this.k = k * ratio; this.tx = this.width / 2 - (width / 2 - tx) * ratio; this.ty = this.height / 2 - (height / 2 - ty) * ratio;
    }
  }

  offPaper() {
    this.resize();
    if (this.fitted) this.fit(); else Object.assign(this, this.window);
  }

  fit() {
    const above = Math.min(72, this.height * 0.3);
    const across = this.plan.way === "across", right = across ? Math.min(150, this.width * 0.22) : 24;
    if (across) {  /* levels as far apart as the window's shape wants */
      const high = Math.max(this.plan.box[3] - this.plan.box[1], 8 * ROW);
      stretch(this.plan, Math.max(NARROW, Math.min(COLUMN, (high * (this.width - 36 - right)) / (this.height - above) / this.plan.levels)));
    }
    const [x0, y0, x1, y1] = this.plan.box;
    const wide = Math.max(1, x1 - x0), high = Math.max(1, y1 - y0);
    this.k = Math.min((this.width - 36 - right) / wide, (this.height - above) / high, 1.25);
    this.k = Math.max(this.k, 0.002);
    this.tx = 36 + (this.width - 36 - right - wide * this.k) / 2 - x0 * this.k;
    this.ty = (this.height - high * this.k) / 2 - y0 * this.k;
    this.fitted = true;
    this.asked();
  }

  zoom(by, px = this.width / 2, py = this.height / 2) {
    const k = Math.max(0.002, Math.min(6, this.k * by)), ratio = k / this.k;
    this.tx = px - (px - this.tx) * ratio; this.ty = py - (py - this.ty) * ratio; this.k = k;
    this.fitted = false;
    this.asked();
  }

  pan(dx, dy) { this.tx += dx; this.ty += dy; this.fitted = false; this.asked(); }

  show(node) {
    const px = this.plan.x[node] * this.k + this.tx, py = this.plan.y[node] * this.k + this.ty, edge = 60;
    if (px < edge || py < edge || px > this.width - edge - 80 || py > this.height - edge) {
      this.tx += this.width / 2 - px; this.ty += this.height / 2 - py; this.fitted = false;
    }
    this.asked();
  }

  near(px, py) {
    const x = (px - this.tx) / this.k, y = (py - this.ty) / this.k, { plan, state } = this;
    let best = -1, least = (14 / this.k) ** 2;
    for (let v = 0; v < (state ? state.shown : 0); v++) {
      const far = (plan.x[v] - x) ** 2 + (plan.y[v] - y) ** 2, reach = Math.max(least, best < 0 ? this.size[v] ** 2 : 0);
      if (far < reach) { best = v; least = Math.min(least, far); }
    }
    return best;
  }

  draw() {
    const began = performance.now(), { pen, run, ink, k, tx, ty, plan } = this;
    if (!ink) return;
    const state = this.state = run.at(this.time), shown = state.shown, margin = 40;
    const x0 = (-margin - tx) / k, x1 = (this.width + margin - tx) / k, y0 = (-margin - ty) / k, y1 = (this.height + margin - ty) / k;
    pen.setTransform(this.dense, 0, 0, this.dense, 0, 0);
    pen.fillStyle = ink.paper;
    pen.fillRect(0, 0, this.width, this.height);
    const inside = [];
    for (let v = 0; v < shown; v++) {
      this.size[v] = Math.min(13, 4.6 + 1.5 * Math.log2(1 + state.visits[v]));
      if (plan.x[v] > x0 && plan.x[v] < x1 && plan.y[v] > y0 && plan.y[v] < y1) inside.push(v);
    }
    const answer = state.answered && run.head.answered ? run.head.answered.node : -1, few = inside.length < 600;
    const scale = Math.max(few ? 0.45 : k > 0.24 ? 0.35 : 0, Math.min(1, k * 1.25));
    this.labels = this._named(state, inside, answer, scale);
    const edges = this._edges(state, x0, y0, x1, y1);
    this._nodes(state, inside, answer, scale);
    const labels = this._labels(state, inside, answer, scale);
    const now = performance.now();
    this.stats = { nodes: inside.length, edges, labels, drawn: this.stats.drawn + 1, ms: now - began };
  }

  _line(pen, from, to) {
    const { plan, k, tx, ty } = this;
    const ax = plan.x[from] * k + tx + (this.tails.get(from) || 0), ay = plan.y[from] * k + ty, bx = plan.x[to] * k + tx, by = plan.y[to] * k + ty;
    pen.moveTo(ax, ay);
    if (plan.way === "radial" || k < 0.22) pen.lineTo(bx, by);
    else { const bend = Math.min((bx - ax) * 0.55, 90 * k + 20); pen.bezierCurveTo(ax + bend, ay, bx - bend, by, bx, by); }
  }

  _edges(state, x0, y0, x1, y1) {
    const { pen, run, ink, plan, way, k } = this, dim = [], joins = [], gold = [];
    let count = 0, pieces = 0;
    const crosses = (a, b) => Math.max(plan.x[a], plan.x[b]) > x0 && Math.min(plan.x[a], plan.x[b]) < x1
      && Math.max(plan.y[a], plan.y[b]) > y0 && Math.min(plan.y[a], plan.y[b]) < y1;
    pen.lineWidth = k < 0.3 ? 0.6 : 1.2; pen.strokeStyle = ink.edge; pen.setLineDash([]);
    pen.globalAlpha = k < 0.15 ? 0.5 : k < 0.3 ? 0.7 : 1;
    pen.beginPath();
    for (let v = 1; v < state.shown; v++) {
      const p = run.parent[v];
      if (crosses(p, v)) {
        count++;
        if (state.answered && way.has(v) && way.has(p)) gold.push(p, v);
        else if (state.status[v] === PRUNED || state.left[v]) dim.push(p, v);
        else {
          this._line(pen, p, v);
          if (++pieces % PIECE === 0) { pen.stroke(); pen.beginPath(); }
        }
      }
      const parents = run.parents[v];
      for (let i = 1; i < parents.length; i++) if (crosses(parents[i], v)) { count++; joins.push(parents[i], v); }
    }
    pen.stroke();
    pen.globalAlpha = 1;
    this._batch(dim, ink.edge, 1, [3, 4]);
    this._batch(joins, ink.join, k < 0.3 ? 0.8 : 1.4, []);
    this._batch(gold, ink.way, k < 0.3 ? 2 : 3.2, []);
    const back = [];
    for (let v = this.selected; v > 0 && v < state.shown; v = run.parent[v]) if (!(state.answered && way.has(v))) back.push(run.parent[v], v);
    this._batch(back, ink.select, 1.8, []);
    return count;
  }

  _batch(pairs, colour, width, dash) {
    if (!pairs.length) return;
    const { pen } = this;
    pen.strokeStyle = colour; pen.lineWidth = width; pen.setLineDash(dash);
    pen.beginPath();
    for (let i = 0; i < pairs.length; i += 2) this._line(pen, pairs[i], pairs[i + 1]);
    pen.stroke();
    pen.setLineDash([]);
  }

  _nodes(state, inside, answer, scale) {
    const { pen, run, ink, plan, k, tx, ty } = this, tiny = k < 0.24 && inside.length >= 600;
    const groups = new Map(), special = [];
    for (const v of inside) {
      const shade = shadeOf(state.value(v)), key = shade * 4 + state.status[v];
      if (v === answer || v === 0 || run.nested[run.born[v]]) special.push(v);
      if (!groups.has(key)) groups.set(key, []);
      groups.get(key).push(v);
    }
    for (const [key, members] of groups) {
      const status = ((key % 4) + 4) % 4, shade = (key - status) / 4;
      pen.fillStyle = shade < 0 ? (tiny ? ink.soft : ink.none) : SHADE[shade];
      pen.strokeStyle = shade < 0 ? ink.soft : ink.line; pen.lineWidth = shade < 0 ? 1.2 : 1;
      pen.globalAlpha = status === PRUNED ? 0.55 : 1;
      pen.beginPath();
      for (const v of members) {
        const x = plan.x[v] * k + tx, y = plan.y[v] * k + ty, r = Math.max(1.1, this.size[v] * scale);
        if (tiny) { pen.fillRect(x - r, y - r, 2 * r, 2 * r); continue; }
        if (status === TERMINAL) { pen.moveTo(x, y - r * 1.3); pen.lineTo(x + r * 1.3, y); pen.lineTo(x, y + r * 1.3); pen.lineTo(x - r * 1.3, y); pen.closePath(); }
        else if (status === FAILED) { const s = r * 0.85; pen.rect(x - s, y - s, 2 * s, 2 * s); }
        else { pen.moveTo(x + r, y); pen.arc(x, y, r, 0, 2 * Math.PI); }
      }
      if (!tiny) { pen.fill(); pen.stroke(); }
      pen.globalAlpha = 1;
      if (status === PRUNED || status === FAILED) this._strike(members, status, scale, tiny);
    }
    for (const v of special) this._special(v, answer, scale, tiny);
    this._rings(state, inside, scale);
  }

  /* pruned: one bar across; failed: a cross */
  _strike(members, status, scale, tiny) {
    const { pen, plan, k, tx, ty, ink } = this;
    if (tiny && status === PRUNED) return;
    pen.strokeStyle = status === FAILED ? ink.bad : ink.text; pen.lineWidth = tiny ? 1 : 1.8;
    pen.beginPath();
    for (const v of members) {
      const x = plan.x[v] * k + tx, y = plan.y[v] * k + ty, r = Math.max(1.6, this.size[v] * scale * (status === FAILED ? 0.85 : 1.25));
      pen.moveTo(x - r, y + r); pen.lineTo(x + r, y - r);
      if (status === FAILED) { pen.moveTo(x - r, y - r); pen.lineTo(x + r, y + r); }
    }
    pen.stroke();
  }

  /* the task (a rounded square), a run inside (a second outline), the answer (a star) */
  _special(v, answer, scale, tiny) {
    const { pen, plan, k, tx, ty, ink, run } = this, x = plan.x[v] * k + tx, y = plan.y[v] * k + ty;
    const r = Math.max(v === 0 || v === answer ? 4 : 2, this.size[v] * scale);
    if (run.nested[run.born[v]] && !tiny) {
      pen.strokeStyle = ink.text; pen.lineWidth = 1.2;
      pen.beginPath(); pen.arc(x, y, r * 1.3 + 3, 0, 2 * Math.PI); pen.stroke();
    }
    if (v === 0) {
      pen.fillStyle = ink.text; pen.beginPath(); pen.roundRect(x - r, y - r, 2 * r, 2 * r, r * 0.4); pen.fill();
    }
    if (v === answer) {
      pen.beginPath();
      for (let i = 0; i < 10; i++) {
        const far = (i % 2 ? 0.52 : 1.15) * (r + 4), turn = -Math.PI / 2 + (i * Math.PI) / 5;
        pen.lineTo(x + Math.cos(turn) * far, y + Math.sin(turn) * far);
      }
      pen.closePath();
      pen.fillStyle = ink.way; pen.strokeStyle = ink.paper; pen.lineWidth = 1.5; pen.fill(); pen.stroke();
    }
  }

  _rings(state, inside, scale) {
    const { pen, plan, k, tx, ty, ink, run } = this;
    const ring = (v, colour, gap, width, dash = []) => {
      const r = Math.max(3, this.size[v] * scale) + gap;
      pen.strokeStyle = colour; pen.lineWidth = width; pen.setLineDash(dash);
      pen.beginPath(); pen.arc(plan.x[v] * k + tx, plan.y[v] * k + ty, r, 0, 2 * Math.PI); pen.stroke();
      pen.setLineDash([]);
    };
    const latest = state.applied > 0 && state.applied < run.count ? run.subjects(state.applied - 1)[0] : -1;
    for (const v of inside) {
      if (this.hits.has(v)) ring(v, ink.hit, 3.5, 2.5);
      if (this.busy.has(v) && state.applied === run.count) ring(v, ink.select, 5, 1.8, [3, 3]);
      if (v === latest) ring(v, ink.soft, 6, 1.4);
      if (v === this.hovered) ring(v, ink.soft, 4, 1.4);
      if (v === this.selected) ring(v, ink.select, 4, 2.6);
    }
  }

  /* what stands beside which node, and where edges begin that leave past it */
  _named(state, inside, answer, scale) {
    const { pen, run, plan, k, ink } = this, across = plan.way === "across", labels = new Map();
    const roomy = across ? ROW * k >= 12.5 : k > 0.85;
    this.tails = new Map();
    if (!roomy || inside.length > MOST_LABELS * 2) return labels;
    const rows = new Map(), rowOf = (v) => Math.round((plan.y[v] * k) / 9);
    if (across) for (const v of inside) { if (!rows.has(rowOf(v))) rows.set(rowOf(v), []); rows.get(rowOf(v)).push(plan.x[v] * k); }
    const room = (v) => {  /* to the next node on the right */
      let least = this.width - plan.x[v] * k - this.tx + 4;
      for (let row = rowOf(v) - 1; row <= rowOf(v) + 1; row++) for (const x of rows.get(row) || []) if (x > plan.x[v] * k + 1) least = Math.min(least, x - plan.x[v] * k);
      return least - 24;
    };
    for (const v of inside.slice(0, MOST_LABELS)) {
      const r = Math.max(2, this.size[v] * scale), value = state.value(v);
      const inner = across && (run.children[v].some((child) => child < state.shown) || run.joined[v].some((child) => child < state.shown));
      const width = across ? Math.min(inner ? plan.column * k * 0.72 - r - 4 : 240, room(v)) : 130;
      const head = this._head(state, v, value);
      pen.font = `600 11px ${ink.font}`;
      const lead = head ? pen.measureText(head).width + 6 : 0;
      pen.font = `400 11px ${ink.font}`;
      const words = width - lead < 44 ? "" : this._fit(this._told(state, v, answer), width - lead);
      const wide = lead + (words ? pen.measureText(words).width : -6);
      labels.set(v, { head, words, lead, r, inner });
      if (inner) this.tails.set(v, r + 7 + wide + 6);
    }
    return labels;
  }

  _labels(state, inside, answer, scale) {
    const { pen, run, plan, k, tx, ty, ink } = this;
    const strong = new Set(inside.filter((v) => v === this.selected || v === this.hovered || v === answer));
    pen.textBaseline = "middle";
    for (const [v, { head, words, lead, r }] of this.labels) {
      if (strong.has(v)) continue;
      const x = plan.x[v] * k + tx + r + 7, y = plan.y[v] * k + ty + 0.5;
      pen.globalAlpha = state.status[v] === PRUNED || state.status[v] === FAILED ? 0.6 : 1;
      pen.font = `600 11px ${ink.font}`; pen.fillStyle = ink.text; pen.fillText(head, x, y);
      pen.font = `400 11px ${ink.font}`; pen.fillStyle = ink.soft; pen.fillText(words, x + lead, y);
      pen.globalAlpha = 1;
    }
    for (const v of strong) this._plate(state, v, v === answer, Math.max(2, this.size[v] * scale));
    return new Set([...this.labels.keys(), ...strong]).size;
  }

  _plate(state, v, answer, r) {
    const { pen, run, plan, k, tx, ty, ink } = this, value = state.value(v);
    const head = this._head(state, v, value);
    const label = this.labels.get(v);
    pen.font = `600 11px ${ink.font}`;
    const lead = head ? pen.measureText(head).width + 6 : 0;
    pen.font = `500 11px ${ink.font}`;
    const words = label && label.inner && label.words ? label.words : this._fit(this._told(state, v, answer ? v : -1), label && label.inner ? 110 : 320), wide = lead + pen.measureText(words).width + 10;
    let x = plan.x[v] * k + tx + r + 2;
    const y = plan.y[v] * k + ty;
    if (x + wide > this.width - 4) x = Math.max(4, plan.x[v] * k + tx - r - 2 - wide);
    pen.fillStyle = ink.none; pen.strokeStyle = answer ? ink.way : ink.edge; pen.lineWidth = 1;
    pen.beginPath(); pen.roundRect(x, y - 10.5, wide, 21, 6); pen.fill(); pen.stroke();
    pen.fillStyle = ink.text; pen.fillText(words, x + 5 + lead, y + 0.5);
    pen.font = `600 11px ${ink.font}`; pen.fillText(head, x + 5, y + 0.5);
  }

  /* the value, and how many calls at the node came to nothing */
  _head(state, v, value) {
    const failed = state.failures[v] ? ` ✗${state.failures[v]}` : "";
    return (v === 0 ? "" : Number.isNaN(value) ? "–" : value.toFixed(2)) + failed;
  }

  _told(state, v, answer) {
    const { run } = this;
    return v === answer && v > 0 ? `⇒ ${this._words(run.text(state.answerId[v]))}` : this._words(state.words(run, v));
  }

  _words(text) { return text.slice(0, 160).replace(/\s+/g, " ").trim(); }

  /* as many of the words as fit; the font is set */
  _fit(words, width) {
    let cut = words;
    for (let wide = this.pen.measureText(cut).width; wide > width && cut.length > 1; wide = this.pen.measureText(`${cut}…`).width) {
      cut = cut.slice(0, Math.min(cut.length - 1, Math.max(1, Math.floor((cut.length * width) / wide)))).trimEnd();
    }
    return cut === words ? words : `${cut}…`;
  }

  _listen() {
    const { canvas } = this, held = new Map();
    let moved = 0, apart = 0;
    const at = (event) => { const box = canvas.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
    const spread = () => { const [a, b] = [...held.values()]; return Math.hypot(a[0] - b[0], a[1] - b[1]); };
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId); held.set(event.pointerId, at(event)); moved = 0;
      if (held.size === 2) apart = spread();
    });
    canvas.addEventListener("pointermove", (event) => {
      const point = at(event), before = held.get(event.pointerId);
      if (!before) {
        const v = this.near(...point);
        if (v !== this.hovered) { this.hovered = v; canvas.style.cursor = v >= 0 ? "pointer" : "grab"; this.asked(); }
        return;
      }
      held.set(event.pointerId, point);
      if (held.size === 2) { const now = spread(); this.zoom(now / apart, ...point); apart = now; moved = 99; return; }
      moved += Math.abs(point[0] - before[0]) + Math.abs(point[1] - before[1]);
      if (moved > 4) { canvas.style.cursor = "grabbing"; this.pan(point[0] - before[0], point[1] - before[1]); }
    });
    const up = (event) => {
      if (held.delete(event.pointerId) && event.type === "pointerup" && moved <= 4) {
        const v = this.near(...at(event));
        if (v >= 0) this.on.select(v);
      }
      canvas.style.cursor = "grab";
    };
    canvas.addEventListener("pointerup", up);
    canvas.addEventListener("pointercancel", up);
    canvas.addEventListener("pointerleave", () => { if (this.hovered >= 0) { this.hovered = -1; this.asked(); } });
    canvas.addEventListener("dblclick", (event) => { const v = this.near(...at(event)); if (v >= 0) this.on.open(v); });
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      const step = event.deltaMode === 1 ? event.deltaY * 18 : event.deltaY;
      this.zoom(Math.exp(-step * 0.0016), ...at(event));
    }, { passive: false });
  }
}
