/* Elements made of text, and figures in words. Nothing here takes markup. */
const $ = (id) => document.getElementById(id);

function el(tag, attributes = {}, ...inside) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "class") made.className = value;
    else if (name === "on") for (const [event, act] of Object.entries(value)) made.addEventListener(event, act);
    else if (/^(aria|data)-/.test(name) && typeof value === "boolean") made.setAttribute(name, String(value));
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, String(value));
  }
  made.append(...inside.filter((one) => one !== null && one !== undefined && one !== ""));
  return made;
}

/* text of a model: isolated, so that its direction is its own affair; hits are marked */
function said(text, hit = "", tag = "div") {
  const made = el(tag, { class: "said", dir: "auto" });
  if (!hit) { made.textContent = text; return made; }
  const low = text.toLowerCase(), wanted = hit.toLowerCase();
  let from = 0;
  for (let at = low.indexOf(wanted); at >= 0 && low.length === text.length; at = low.indexOf(wanted, from)) {
    made.append(text.slice(from, at), el("mark", {}, text.slice(at, at + wanted.length)));
    from = at + wanted.length;
  }
  made.append(text.slice(from));
  return made;
}

const whole = new Intl.NumberFormat("en");
const number = (value) => whole.format(value);
const many = (count, noun) => `${number(count)} ${noun}${count === 1 ? "" : "s"}`;
const dollars = (usd) => (usd === null ? "cost unknown" : usd === 0 ? "free" : usd < 0.0001 ? `$${usd.toPrecision(1)}` : usd < 0.1 ? `$${usd.toFixed(4)}` : `$${usd.toFixed(2)}`);
const score = (value) => (value === null || value === undefined || Number.isNaN(value) ? "–" : Number(value).toFixed(2));
const short = (count) => (count < 1e4 ? number(count) : count < 1e6 ? `${(count / 1e3).toFixed(1)}k` : `${(count / 1e6).toFixed(1)}M`);
const oneLine = (text, most = 120) => { const line = text.slice(0, 4 * most).replace(/\s+/g, " ").trim(); return line.length > most ? `${line.slice(0, most - 1)}…` : line; };

function verdict(head) {
  const end = head.answered;
  if (!end) return ["unfinished", "not finished"];
  if (end.answer === null) return ["none", "no answer"];
  if (end.correct === true) return ["right", "✓ correct"];
  if (end.correct === false) return ["wrong", end.in_structure ? "✗ wrong, though a right answer was found" : "✗ wrong"];
  return ["unknown", "not verified"];
}

/* what an event did, in a line */
function told(run, seq) {
  const op = run.op[seq], c = run.cells, id = c.node[seq], rare = run.rare[seq] || {}, words = (column) => oneLine(run.text(c[column][seq]), 90);
  const how = c.how[seq] ? ` (${words("how")})` : "", because = c.note[seq] ? `: ${words("note")}` : "";
  if (op === OP.task) return "the task";
  if (grows(op)) {
    const from = (rare.nodes || [c.up[seq]]).join(", ");
    return `${OPS[op]}${how} node ${id} from ${from}: ${words("text")}`;
  }
  if (op === OP.evaluate) {
    const by = c.source[seq] ? ` by ${words("source")}` : "";
    if (c.up[seq] >= 0) return `compare node ${id} with ${c.up[seq]}${by}: better with chance ${score(c.value[seq])}`;
    return `${rare.aside ? `observe${how}` : "evaluate"} node ${id}${by}: ${score(c.value[seq])}`;
  }
  if (op === OP.backpropagate) return `back up ${score(c.value[seq])} from node ${id} to the root`;
  if (op === OP.prune) return `prune ${rare.nodes ? `nodes ${rare.nodes.slice(0, 8).join(", ")}` : `node ${id}`}${because}`;
  if (op === OP.backtrack) return `go back from node ${id} to ${c.up[seq]}${because}`;
  if (op === OP.enrich) return `enrich${how} node ${id}${because}`;
  if (op === OP.failed) return `${words("text")}${how} at node ${(rare.nodes || [id]).join(", ")} failed${because}`;
  if (op === OP.reflect) return `reflect${how}${because}`;
  return c.answer[seq] ? `answer: ${words("answer")}` : "ended without an answer";
}
