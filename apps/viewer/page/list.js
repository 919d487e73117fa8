/* A folder's traces as a table that sorts; then the beginning of everything. */
const COLUMNS = [["question", "Question"], ["blueprint", "Blueprint"], ["answer", "Answer"], ["verdict", "Verdict"], ["nodes", "Nodes"], ["tokens", "Tokens"], ["date", "Saved"], ["file", "File"]];
let app = null;
const sorting = { by: "date", down: true };

function listed() {
  themed();
  document.documentElement.classList.toggle("dark", dark());
  const rows = [...data.rows].sort((a, b) => {
    const [x, y] = [a[sorting.by], b[sorting.by]], order = typeof x === "number" ? x - y : String(x).localeCompare(String(y), "en", { numeric: true });
    return (sorting.down ? -order : order) || a.at - b.at;
  });
  const chosen = new Set();
  const both = el("button", { class: "wide", disabled: true, on: { click: () => show("compare", [...chosen].sort((a, b) => a - b)) } }, "Compare two");
  const head = el("tr", {}, el("th", { scope: "col" }, el("span", { class: "unseen" }, "compare")), ...COLUMNS.map(([name, words]) => el("th", { scope: "col", "aria-sort": sorting.by === name ? (sorting.down ? "descending" : "ascending") : "none" },
    el("button", { class: "link", on: { click: () => { sorting.down = sorting.by === name ? !sorting.down : ["nodes", "tokens", "date"].includes(name); sorting.by = name; listed(); } } }, words, sorting.by === name ? (sorting.down ? " ▾" : " ▴") : ""))));
  const body = rows.map((row) => el("tr", {}, el("td", {}, row.problem ? null : el("input", { type: "checkbox", "aria-label": `compare ${row.file}`, on: { change: (event) => {
    if (event.target.checked) chosen.add(row.at); else chosen.delete(row.at);
    both.disabled = chosen.size !== 2;
  } } })), ...COLUMNS.map(([name]) => cellOf(row, name))));
  $("app").replaceChildren(el("div", { class: "bar" }, el("span", { class: "brand" }, "reflectree"), el("span", { class: "quiet" }, data.folder), el("span", { class: "space" }), both,
    el("button", { class: "tool", "aria-label": "Dark or light", title: "Dark or light", on: { click: () => { kept.set("theme", dark() ? "light" : "dark"); document.documentElement.dataset.theme = dark() ? "light" : "dark"; listed(); } } }, "◐")),
  el("main", { class: "listing" }, el("table", {}, el("caption", {}, `${many(data.rows.length, "trace")}${data.left_out ? `; ${many(data.left_out, "more file")} left out` : ""}`), el("thead", {}, head), el("tbody", {}, ...body))));
}

function cellOf(row, name) {
  if (name === "question") return el("td", { class: "main" }, row.problem ? said(row.problem, "", "span") : el("button", { class: "link", on: { click: () => show("trace", [row.at]) } }, said(oneLine(row.question, 160), "", "span")));
  if (name === "verdict") return el("td", {}, el("span", { class: `chip verdict ${row.kind}` }, row.verdict));
  if (name === "date") return el("td", { class: "figure" }, new Date(row.date * 1000).toLocaleString("sv").slice(0, 16));
  if (name === "nodes" || name === "tokens") return el("td", { class: "figure" }, row.problem ? "" : number(row[name]));
  return el("td", { class: name }, said(oneLine(row[name], 60), "", "span"));
}

function show(kind, places) {
  if (data.traces) begin(places.map((place) => new Run(data.traces[place])), places.map((place) => data.rows.find((row) => row.at === place).file));
  else location.href = withToken(kind === "trace" ? `/trace?i=${places[0]}` : `/compare?a=${places[0]}&b=${places[1]}`);
}

function begin(runs, names) {
  app = new App(runs, names);
  window.reflectree = { app, runs };
  if (runs[0].head.began) document.title = `${oneLine(runs[0].question, 60)} · reflectree`;
  if (data.live) app.follow();
  return app;
}

if (data.mode === "list") listed(); else begin(data.traces.map((chunk) => new Run(chunk)), data.names || []);
