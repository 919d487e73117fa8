/* Everything the trace says of one node. */
function section(title, ...inside) {
  const full = inside.flat().filter((one) => one !== null && one !== undefined && one !== "");
  return full.length ? el("section", {}, el("h3", {}, title), ...full) : null;
}

function shortened(run, id, hit) {
  const text = run.text(id), made = [said(text, hit)];
  if (run.cut.has(id)) made.push(el("p", { class: "cut" }, `The first ${number(text.length)} of ${number(run.cut.get(id))} characters.`));
  return made;
}

function chips(run, node, go) {
  return el("div", { class: "links" }, ...node.map((one) => el("button", { class: "link", on: { click: () => go(one) } }, one === 0 ? "task" : `${one}`)));
}

const bill = ([calls, failed, read, written, usd]) =>
  `${many(calls, "call")}${failed ? ` (${number(failed)} failed)` : ""} · ${short(read)} + ${short(written)} tokens · ${dollars(usd)}`;

function fact(name, value) { return value === "" || value === null ? null : el("div", { class: "fact" }, el("dt", {}, name), el("dd", {}, value)); }

function promptOf(run, seq) {
  const found = run.prompts[seq];
  if (!found) {
    const why = run.prompts.why || "";
    return why ? [el("p", { class: "quiet" }, why)] : [];
  }
  const turns = found.turns.map(([role, text]) => el("div", { class: "turn" }, el("b", {}, role), said(text.map((line) => run.prompts.texts[line]).join(""))));
  return [el("details", {}, el("summary", {}, `${many(found.turns.length, "turn")}, rebuilt`),
    el("p", { class: "quiet" }, found.note || run.prompts.note), ...turns)];
}

function details(app, run, state, node, hit) {
  const c = run.cells, born = run.born[node], rare = run.rare[born] || {}, status = STATUS[state.status[node]];
  const end = run.head.answered, answer = state.answered && end && end.node === node && node > 0, go = (one) => app.select(one);
  const seen = run.touched[node].filter((seq) => seq < state.applied);
  const value = state.value(node), q = state.q(run, node), shade = shadeOf(value);
  const chip = el("span", { class: "chip value" }, score(value));
  if (shade >= 0) { chip.style.setProperty("--shade", SHADE[shade]); chip.classList.add("scored"); }
  const title = node === 0 ? "The task" : `Node ${node}`;
  const made = [el("div", { class: "title" }, el("h2", {}, title), node ? chip : null,
    el("span", { class: `chip status ${answer ? "chosen" : status}` }, node === 0 ? "root" : answer ? "★ the answer" : state.left[node] ? `${status}, left` : status))];

  if (node === 0) {
    const began = run.head.began;
    made.push(section("Question", ...shortened(run, c.text[0], hit)));
    if (began) {
      made.push(section("Context", began.context ? said(began.context, hit) : ""));
      if (state.versions[0]) made.push(section("Learnt so far", ...shortened(run, state.textId[0], hit)));
      if (began.recalled.length) {
        made.push(section(`Recalled (${began.arm === "control" ? "not shown: control arm" : "shown"})`,
          ...began.recalled.map((one) => el("div", { class: "turn" }, el("b", {}, `${one.kind} ${one.id}`), said(one.text || "(not shown)", hit)))));
      }
      made.push(section("Run", el("dl", {}, fact("run", run.head.id), fact("blueprint", began.blueprint), fact("from", began.paper), fact("policy", began.policy),
        fact("evaluator", began.evaluator || "none"), fact("verifier", began.verifier || "none"), fact("seed", String(began.seed)), fact("tools", began.tools.join(", ")),
        fact("oracle", began.oracle ? "the search saw the gold answer" : ""))));
      made.push(section("Settings", el("details", {}, el("summary", {}, "the blueprint as it ran"), el("pre", {}, JSON.stringify(began.settings, null, 1)))));
    }
  } else {
    made.push(section("Text", ...shortened(run, state.textId[node], hit)));
    if (state.answerId[node]) made.push(section("Answer", ...shortened(run, state.answerId[node], hit)));
    if (c.note[born]) made.push(section(c.source[born] ? `Feedback from ${oneLine(run.text(c.source[born]), 40)}` : "Thought", ...shortened(run, c.note[born], hit)));
    if (run.nested[born]) {
      const inner = run.nested[born];
      made.push(section("A run inside", inner.left_out ? el("p", { class: "cut" }, inner.left_out)
        : el("button", { class: "wide", on: { click: () => app.enter(node) } }, `Open its ${many(inner.count, "event")} (Enter)`)));
    }
    const made_by = run.text(c.how[born]);
    made.push(section("Figures", el("dl", {},
      fact("value", Number.isNaN(value) ? "not scored" : `${score(value)} (mean of ${many(state.evaluations[node], "evaluation")})`),
      fact(run.head.rule ? "backed up" : "mean below", Number.isNaN(q) ? "" : score(q)),
      fact("visits", number(state.visits[node])), fact("made by", OPS[run.made[node]] + (made_by ? `, ${oneLine(made_by, 40)}` : "")),
      fact("prior", c.value[born] === null ? "" : Number(c.value[born]).toPrecision(3)),
      fact("confidence", rare.confidence === undefined ? "" : score(rare.confidence)),
      fact("level", String(run.depth[node])), fact("size", rare.granularity || "step"), fact("version", state.versions[node] ? String(state.versions[node] + 1) : ""))));
    made.push(section("From", chips(run, run.parents[node], go)));
    if (!run.parents[node].includes(run.after[node])) made.push(section("Read after", chips(run, [run.after[node]], go)));
  }
  const kids = [...run.children[node], ...run.joined[node]].filter((child) => child < state.shown);
  if (kids.length) made.push(section("Leads to", chips(run, kids.slice(0, 60), go), kids.length > 60 ? el("p", { class: "cut" }, `and ${number(kids.length - 60)} more`) : ""));

  const scored = seen.filter((seq) => run.op[seq] === OP.evaluate && (c.node[seq] === node || c.up[seq] === node));
  made.push(section("Scores and remarks", ...scored.slice(0, 100).map((seq) => {
    const aside = (run.rare[seq] || {}).aside, pair = c.up[seq] >= 0, scores = (run.rare[seq] || {}).scores;
    const name = [score(c.value[seq]), pair ? (c.node[seq] === node ? `better than ${c.up[seq]}` : `that ${c.node[seq]} is better`) : "", run.text(c.source[seq]), aside ? `observed: ${run.text(c.how[seq])}` : ""];
    return el("div", { class: "turn" }, el("b", {}, name.filter(Boolean).join(" · ")), c.note[seq] ? said(run.text(c.note[seq]), hit) : null,
      scores ? el("p", { class: "quiet" }, `measured: ${scores.slice(0, 40).map((one) => Number(one.toPrecision(4))).join(", ")}${scores.length > 40 ? `, and ${scores.length - 40} more` : ""}`) : null);
  })));

  const cost = [0, 0, 0, 0, 0], mine = seen.filter((seq) => c.usage[seq] && c.node[seq] === node);
  for (const seq of mine) c.usage[seq].forEach((part, i) => { cost[i] = part === null || cost[i] === null ? null : cost[i] + part; });
  if (node) made.push(section("Cost of its calls", mine.length ? bill(cost) : "no bill in the trace", el("p", { class: "quiet" }, "A request that served several siblings is billed to the first. Traces hold no seconds.")));

  const prompts = seen.map((seq) => [seq, promptOf(run, seq)]).filter(([seq, found]) => found.length && run.prompts[seq] && (c.node[seq] === node));
  if (prompts.length) made.push(section("What the model was shown", ...prompts.slice(0, 12).map(([seq, found]) => el("div", {}, el("p", { class: "quiet" }, `event ${seq}: ${OPS[run.op[seq]]}`), ...found))));
  else if (node && run.prompts.why) made.push(section("What the model was shown", el("p", { class: "quiet" }, run.prompts.why)));
  made.push(section("Events", el("ol", { class: "events" }, ...seen.slice(0, 200).map((seq) => el("li", {},
    el("button", { class: "link", title: "Go to this moment", on: { click: () => app.seek(seq + 1) } }, String(seq)), said(told(run, seq), hit, "span")))),
  seen.length > 200 ? el("p", { class: "cut" }, `and ${number(seen.length - 200)} more`) : ""));
  return made.filter(Boolean);
}
