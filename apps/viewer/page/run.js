/* A run as the page knows it: event columns, the nodes they grew, and the state after any number of events. */
const OPS = ["task", "generate", "refine", "aggregate", "restructure", "evaluate", "backpropagate", "prune", "backtrack",
  "enrich", "failed", "reflect", "answer"];
const OP = Object.fromEntries(OPS.map((name, code) => [name, code]));
const OPEN = 0, TERMINAL = 1, PRUNED = 2, FAILED = 3;
const STATUS = ["open", "answer", "pruned", "failed"];
const DEFAULTS = { node: 0, up: -1, value: null, text: 0, note: 0, how: 0, source: 0, status: -1, answer: 0, index: 0, usage: null };
const grows = (op) => op >= OP.generate && op <= OP.restructure;

function unpacked(column, count, fallback) {
  if (Array.isArray(column)) return column;
  const cells = new Array(count).fill(fallback);
  column.at.forEach((place, i) => { cells[place] = column.is[i]; });
  return cells;
}

class Run {
  constructor(chunk) {
    this.count = 0; this.nodes = 0;
    this.op = []; this.cells = {};
    for (const name in DEFAULTS) this.cells[name] = [];
    this.rare = {}; this.q = []; this.qAt = []; this.nested = {}; this.prompts = {};
    this.texts = [""]; this.cut = new Map();
    this.parent = []; this.parents = []; this.children = []; this.joined = []; this.born = []; this.depth = [];
    this.made = []; this.after = [];
    this.touched = [];                     /* the events of each node */
    this.bill = [[0, 0, 0, 0, 0]];         /* the bill after so many events */
    this.head = {};
    this.append(chunk);
  }

  append(chunk) {
    if (chunk.left_out) { this.head = { problems: [chunk.left_out], usage: [0, 0, 0, 0, 0], began: null }; return; }
    this.head = chunk.run;
    for (const text of chunk.texts) this.texts.push(text);
    for (const [id, length] of chunk.cut) this.cut.set(id, length);
    if (chunk.first !== this.count) throw new Error(`events ${chunk.first} where events ${this.count} belong`);
    for (const op of chunk.op) this.op.push(op);
    for (const name in DEFAULTS) {
      for (const cell of unpacked(chunk[name], chunk.count, DEFAULTS[name])) this.cells[name].push(cell);
    }
    Object.assign(this.rare, chunk.rare);
    Object.assign(this.nested, chunk.nested || {});
    if (chunk.prompts) this.prompts = chunk.prompts;
    for (const value of chunk.q) this.q.push(value);
    for (let seq = this.count; seq < this.count + chunk.count; seq++) this._read(seq);
    this.count += chunk.count;
    this.state = null;
  }

  text(id) { return this.texts[id] || ""; }

  _read(seq) {
    const op = this.op[seq], { node, up, usage } = this.cells, id = node[seq];
    if (op === OP.task) this._grow(0, [], seq);
    else if (grows(op)) this._grow(id, (this.rare[seq] && this.rare[seq].nodes) || [up[seq]], seq);
    else for (const one of this.subjects(seq)) if (one >= 0 && one < this.nodes) this.touched[one].push(seq);
    this.qAt.push(this._qNext || 0);
    if (op === OP.backpropagate && this.head.rule) this._qNext = (this._qNext || 0) + this.depth[id] + 1;
    const before = this.bill[seq], more = usage[seq];
    this.bill.push(more ? before.map((sum, i) => (sum === null || more[i] === null ? null : sum + (more[i] || 0))) : before);
  }

  /* the nodes an event is about */
  subjects(seq) {
    const op = this.op[seq], { node, up } = this.cells, rare = this.rare[seq];
    if (rare && rare.nodes) return grows(op) ? [node[seq], ...rare.nodes] : rare.nodes;
    if (op === OP.evaluate || op === OP.backtrack || grows(op)) return up[seq] >= 0 ? [node[seq], up[seq]] : [node[seq]];
    return [node[seq]];
  }

  _grow(id, parents, seq) {
    const rare = this.rare[seq] || {};
    this.parent.push(parents.length ? parents[0] : -1);
    this.parents.push(parents);
    this.children.push([]); this.joined.push([]);
    this.born.push(seq); this.made.push(this.op[seq]);
    this.after.push(rare.after !== undefined ? rare.after : parents.length ? parents[0] : 0);
    this.depth.push(parents.length ? this.depth[parents[0]] + 1 : 0);
    this.touched.push([seq]);
    if (parents.length) {
      this.children[parents[0]].push(id);
      parents.slice(1).forEach((parent) => this.joined[parent].push(id));
      for (const parent of new Set(parents)) if (parent !== id) this.touched[parent].push(seq);
    }
    this.nodes++;
  }

  get question() { return this.head.began ? this.head.began.question : "(no task)"; }
  get way() { return new Set(this.head.answered ? [0, ...this.head.answered.way] : []); }

  /* the state after `events` events */
  at(events) {
    const goal = Math.max(0, Math.min(events, this.count));
    if (!this.state || this.state.room < this.nodes) { this.state = new State(this); this.kept = [this.state.copy()]; }
    const every = Math.max(1024, Math.ceil(this.count / 48));
    if (goal < this.state.applied) {
      const from = this.kept[Math.min(Math.floor(goal / every), this.kept.length - 1)];
      this.state.take(from);
    }
    while (this.state.applied < goal) {
      this.state.apply(this);
      if (this.state.applied === this.kept.length * every) this.kept.push(this.state.copy());
    }
    return this.state;
  }
}

/* What holds of every node at one moment. */
class State {
  constructor(run) {
    const room = run.nodes;
    this.room = room; this.applied = 0; this.shown = 0; this.cursor = 0; this.answered = false;
    this.visits = new Int32Array(room); this.evaluations = new Int32Array(room); this.failures = new Int32Array(room);
    this.own = new Float64Array(room); this.sum = new Float64Array(room);
    this.backed = new Float64Array(room).fill(NaN);
    this.status = new Int8Array(room); this.left = new Uint8Array(room); this.versions = new Int32Array(room);
    this.textId = new Int32Array(room); this.answerId = new Int32Array(room);
  }

  static get columns() {
    return ["visits", "evaluations", "failures", "own", "sum", "backed", "status", "left", "versions", "textId", "answerId"];
  }

  copy() {
    const one = Object.create(State.prototype);
    Object.assign(one, this);
    for (const name of State.columns) one[name] = this[name].slice();
    return one;
  }

  take(other) {
    for (const name of State.columns) this[name].set(other[name]);
    this.applied = other.applied; this.shown = other.shown; this.cursor = other.cursor; this.answered = other.answered;
  }

  /* what a node is called: the task keeps its question, whatever was learnt beside it */
  words(run, node) { return run.text(node ? this.textId[node] : run.cells.text[0]); }

  /* mean of the node's own evaluations; what colours it */
  value(node) { return this.evaluations[node] ? this.own[node] / this.evaluations[node] : NaN; }

  /* what was backed up to it, under the run's rule */
  q(run, node) { return run.head.rule ? this.backed[node] : this.visits[node] ? this.sum[node] / this.visits[node] : NaN; }

  apply(run) {
    const seq = this.applied++, op = run.op[seq], c = run.cells, id = c.node[seq], rare = run.rare[seq] || {};
    if (op === OP.task) { this.shown = 1; this.textId[0] = c.text[seq]; }
    else if (grows(op)) {
      this.shown = id + 1;
      this.status[id] = Math.max(0, c.status[seq]);
      this.textId[id] = c.text[seq]; this.answerId[id] = c.answer[seq];
    } else if (op === OP.evaluate) {
      if (c.up[seq] < 0 && !rare.aside) { this.evaluations[id]++; this.own[id] += c.value[seq]; }
    } else if (op === OP.backpropagate) {
      let place = run.qAt[seq];
      for (let node = id; node >= 0; node = run.parent[node]) {
        this.visits[node]++; this.sum[node] += c.value[seq];
        if (run.head.rule) { const q = run.q[place++]; this.backed[node] = q === null ? NaN : q; }
      }
    } else if (op === OP.prune) { for (const node of rare.nodes || [id]) this.status[node] = PRUNED; }
    else if (op === OP.backtrack) { this.cursor = c.up[seq]; if (id) this.left[id] = 1; }
    else if (op === OP.enrich) {
      this.textId[id] = c.text[seq]; this.versions[id]++; this.answerId[id] = c.answer[seq];
      if (c.status[seq] >= 0) this.status[id] = c.status[seq];
    } else if (op === OP.failed) {
      this.failures[id]++;
      const lost = run.text(c.text[seq]) === "evaluate" && !rare.nodes && id !== 0 && !rare.aside;
      if (lost && !this.evaluations[id] && this.status[id] !== PRUNED) this.status[id] = FAILED;
    } else if (op === OP.answer) this.answered = true;
  }
}
