/* Where nodes stand. Units: a row is 1 along the breadth, a level is 1 along the depth. */

/* A tidy tree (Buchheim, Juenger and Leipert 2002), in linear time and without recursion. */
function tidy(children, parent, count) {
  const z = new Float64Array(count), m = new Float64Array(count), change = new Float64Array(count), shift = new Float64Array(count);
  const thread = new Int32Array(count).fill(-1), ancestor = new Int32Array(count), place = new Int32Array(count);
  const chosen = new Int32Array(count).fill(-1), breadth = new Float64Array(count);
  for (let v = 0; v < count; v++) { ancestor[v] = v; children[v].forEach((child, i) => { place[child] = i; }); }
  const last = (v) => children[v][children[v].length - 1];
  const nextLeft = (v) => (children[v].length ? children[v][0] : thread[v]);
  const nextRight = (v) => (children[v].length ? last(v) : thread[v]);
  const apart = (a, b) => (parent[a] === parent[b] ? 1 : 1.35);

  function apportion(v, w, fallback) {
    if (w < 0) return fallback;
    let inR = v, outR = v, inL = w, outL = children[parent[v]][0];
    let sInR = m[inR], sOutR = m[outR], sInL = m[inL], sOutL = m[outL];
    inL = nextRight(inL); inR = nextLeft(inR);
    while (inL >= 0 && inR >= 0) {
      outL = nextLeft(outL); outR = nextRight(outR);
      ancestor[outR] = v;
      const move = z[inL] + sInL - z[inR] - sInR + apart(inL, inR);
      if (move > 0) {
        const from = parent[ancestor[inL]] === parent[v] ? ancestor[inL] : fallback;
        const share = move / (place[v] - place[from]);
        change[v] -= share; shift[v] += move; change[from] += share; z[v] += move; m[v] += move;
        sInR += move; sOutR += move;
      }
      sInL += m[inL]; sInR += m[inR]; sOutL += m[outL]; sOutR += m[outR];
      inL = nextRight(inL); inR = nextLeft(inR);
    }
    if (inL >= 0 && nextRight(outR) < 0) { thread[outR] = inL; m[outR] += sInL - sOutR; }
    if (inR >= 0 && nextLeft(outL) < 0) { thread[outL] = inR; m[outL] += sInR - sOutL; fallback = v; }
    return fallback;
  }

  const order = [], stack = [0];
  while (stack.length) { const v = stack.pop(); order.push(v); for (const child of children[v]) stack.push(child); }
  /* popped right to left: reversed, each node comes after its children and after its left siblings */
  for (let i = order.length - 1; i >= 0; i--) {
    const v = order[i], kids = children[v], w = place[v] && parent[v] >= 0 ? children[parent[v]][place[v] - 1] : -1;
    if (kids.length) {
      let moved = 0, changed = 0;
      for (let k = kids.length - 1; k >= 0; k--) {
        const child = kids[k];
        z[child] += moved; m[child] += moved;
        changed += change[child]; moved += shift[child] + changed;
      }
      const middle = (z[kids[0]] + z[last(v)]) / 2;
      if (w >= 0) { z[v] = z[w] + apart(v, w); m[v] = z[v] - middle; } else z[v] = middle;
    } else if (w >= 0) z[v] = z[w] + apart(v, w);
    if (parent[v] >= 0) {
      const p = parent[v];
      chosen[p] = apportion(v, w, chosen[p] >= 0 ? chosen[p] : children[p][0]);
    }
  }
  for (const v of order) {
    const above = parent[v] >= 0 ? m[parent[v]] : 0;
    breadth[v] = z[v] + above; m[v] += above;
  }
  return breadth;
}

/* Layers for a graph with merges: a node stands past all its parents; barycentres order the layers, medians place them. */
function layered(run) {
  const count = run.nodes, level = new Int32Array(count), layers = [], breadth = new Float64Array(count);
  for (let v = 0; v < count; v++) {
    for (const p of run.parents[v]) level[v] = Math.max(level[v], level[p] + 1);
    (layers[level[v]] = layers[level[v]] || []).push(v);
  }
  const next = Array.from({ length: count }, (_, v) => [...run.children[v], ...run.joined[v]]);
  const mean = (list) => list.reduce((sum, v) => sum + breadth[v], 0) / list.length;
  layers.forEach((layer) => layer.forEach((v, i) => { breadth[v] = i - (layer.length - 1) / 2; }));
  for (let sweep = 0; sweep < 16; sweep++) {
    const down = sweep % 2 === 0, around = down ? run.parents : next;
    for (const layer of down ? layers : [...layers].reverse()) {
      const wish = new Map(layer.map((v) => [v, around[v].length ? mean(around[v]) : breadth[v]]));
      if (sweep < 10) layer.sort((a, b) => wish.get(a) - wish.get(b) || a - b);
      let edge = -Infinity;
      const placed = layer.map((v) => (edge = Math.max(edge + 1, wish.get(v))));
      const drift = layer.reduce((sum, v, i) => sum + placed[i] - wish.get(v), 0) / layer.length;
      layer.forEach((v, i) => { breadth[v] = placed[i] - drift; });
    }
  }
  return { level, breadth };
}

const ROW = 30, COLUMN = 232, NARROW = 116, RING = 13, STEP = 110;

/* Another distance between levels. */
function stretch(plan, column) {
  if (plan.way !== "across" || column === plan.column) return;
  for (let v = 0; v < plan.x.length; v++) plan.x[v] = plan.level[v] * column;
  plan.box[2] = (plan.box[2] / plan.column) * column;
  plan.column = column;
}

/* World coordinates of all nodes: `across` (left to right, levels `column` apart) or `radial`. */
function layout(run, wanted, column = COLUMN) {
  const count = run.nodes;
  let merges = 0, level, breadth;
  for (let v = 0; v < count; v++) if (run.parents[v].length > 1) merges++;
  if (merges && count <= 800 && merges * 20 >= count) ({ level, breadth } = layered(run));
  else { breadth = tidy(run.children, run.parent, count); level = Int32Array.from(run.depth); }
  let low = Infinity, high = -Infinity, levels = 1;
  for (let v = 0; v < count; v++) {
    low = Math.min(low, breadth[v]); high = Math.max(high, breadth[v]); levels = Math.max(levels, level[v]);
  }
  const way = wanted || (high - low > 160 ? "radial" : "across");
  const x = new Float64Array(count), y = new Float64Array(count);
  if (way === "radial") {
    const turn = (2 * Math.PI) / Math.max(3, high - low + 1.35), held = new Int32Array(levels + 1);
    for (let v = 0; v < count; v++) held[level[v]]++;
    const ring = held.reduce((wide, many, at) => Math.max(wide, at ? (many * RING) / (2 * Math.PI * at) : 0), STEP);
    for (let v = 0; v < count; v++) {
      const angle = (breadth[v] - low) * turn - Math.PI / 2;
      x[v] = Math.cos(angle) * ring * level[v]; y[v] = Math.sin(angle) * ring * level[v];
    }
  } else {
    for (let v = 0; v < count; v++) { x[v] = level[v] * column; y[v] = (breadth[v] - low) * ROW; }
  }
  let x0 = Infinity, y0 = Infinity, x1 = -Infinity, y1 = -Infinity;
  for (let v = 0; v < count; v++) {
    x0 = Math.min(x0, x[v]); x1 = Math.max(x1, x[v]); y0 = Math.min(y0, y[v]); y1 = Math.max(y1, y[v]);
  }
  return { x, y, level, breadth, way, levels, column, box: count ? [x0, y0, x1, y1] : [0, 0, 0, 0] };
}
