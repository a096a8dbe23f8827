// Where everything goes: sizes from the text, positions from dagre. No DOM here either.

const SIZES = { title: 13, small: 11.5, label: 10.5, row: 17, cell: 5, pad: 10, most: 240, between: 34 };

const measuring = { width: estimatedWidth }; // a browser puts its own measure here

function textWidth(text, size, mono, bold) {
  return measuring.width(text, size, mono, bold);
}

function estimatedWidth(text, size, mono, bold) {
  // a little more than the widest of the usual fonts needs
  let units = 0;
  for (const c of text) {
    const code = c.codePointAt(0);
    if (code >= 0x0300 && code < 0x0370) continue; // combining signs
    if (code >= 0x2e80 && code < 0xfe30) units += 1; // Chinese characters are square
    else if (mono) units += 0.605;
    else if ("iljtf.,'|!:;()[] ".includes(c)) units += 0.4;
    else if ("mwMW@=+∂Σ→".includes(c)) units += 0.9;
    else if (c >= "A" && c <= "Z") units += 0.73;
    else units += 0.64;
  }
  return units * size * (bold ? 1.08 : 1);
}

function shorten(text, size, most) {
  if (textWidth(text, size, false, true) <= most) return text;
  const kept = [...text];
  while (kept.length > 1 && textWidth(kept.join("") + "…", size, false, true) > most) kept.pop();
  return kept.join("") + "…";
}

function thumbnail(value) {
  // a small array as a picture of its signs and sizes
  if (!value || !value.rows || !value.whole || !value.rows.length) return null;
  const rows = value.rows.length, columns = value.rows[0].length;
  if (!columns || rows > 8 || columns > 16) return null;
  let most = 0;
  for (const row of value.rows) for (const x of row) if (Number.isFinite(x)) most = Math.max(most, Math.abs(x));
  return { rows: value.rows, most, width: columns * SIZES.cell, height: rows * SIZES.cell };
}

function linesOf(item, direction, model) {
  if (item.group) {
    const count = model.inside.get(item.group.number);
    const says = model.data.strings.mappings.replace("{count}", count);
    return [{ kind: "count", text: count ? says : "" }].filter((line) => line.text && item.group.kind !== "chunk");
  }
  const { box } = item;
  const lines = [];
  if (box.value === null || box.value === undefined)
    lines.push({ kind: "type", text: box.dtype + (box.shape.length ? " [" + box.shape.join(", ") + "]" : "") });
  else if (direction !== "backward")
    lines.push({ kind: "value", text: "= " + box.valueText, picture: thumbnail(box.value) });
  if (direction !== "forward" && box.gradientText !== undefined)
    lines.push({ kind: "gradient", text: "∂ " + box.gradientText, picture: thumbnail(box.gradient) });
  return lines;
}

function edgeLines(edge, direction, model) {
  if (edge.inputs.length > 1) return [{ kind: "count", text: "×" + edge.inputs.length }];
  const { box, at, from } = edge.inputs[0];
  const input = model.boxes[box].inputs[at], source = model.boxes[from];
  const lines = [];
  if (direction !== "backward" && source.valueText !== undefined)
    lines.push({ kind: "value", text: source.shape.length ? source.shape.join("×") : source.valueText });
  if (direction !== "forward" && input.productText !== undefined)
    lines.push({ kind: "gradient", text: "∂ " + input.productText });
  return lines;
}

function sized(item, direction, model) {
  const title = shorten(item.group ? item.group.title : item.box.title, SIZES.title, SIZES.most);
  const lines = linesOf(item, direction, model);
  let width = textWidth(title, SIZES.title, false, true) + (item.group ? 16 : 0), height = SIZES.row;
  for (const line of lines) {
    const picture = line.picture ? line.picture.width + 10 : 0;
    width = Math.max(width, textWidth(line.text, SIZES.small, true) + picture);
    line.height = Math.max(SIZES.row, line.picture ? line.picture.height + 5 : 0);
    height += line.height;
  }
  return { ...item, title, lines, width: Math.max(64, Math.ceil(width) + 2 * SIZES.pad + 4), height: height + 15 };
}

function satellitesOf(seen) {
  // leaves and constants that one mapping alone reads stand beside it, so that what is computed stays in one line
  const incoming = new Map(), outgoing = new Map();
  for (const edge of seen.edges) {
    if (!incoming.has(edge.target)) incoming.set(edge.target, []);
    if (!outgoing.has(edge.source)) outgoing.set(edge.source, []);
    incoming.get(edge.target).push(edge);
    outgoing.get(edge.source).push(edge);
  }
  const boxes = new Map(seen.items.map((item) => [item.name, item.box]));
  const beside = new Map(); // of a mapping: the names of what stands beside it
  for (const [target, edges] of incoming) {
    if (!boxes.get(target)) continue;
    const own = edges.map((edge) => edge.source).filter((source) => {
      const box = boxes.get(source);
      return box && box.kind !== "mapping" && outgoing.get(source).length === 1 && seen.parents[source] === seen.parents[target];
    });
    if (own.length && own.length <= 4 && own.length < edges.length) beside.set(target, own);
  }
  return beside;
}

function surround(item, own, labels, down) {
  // put boxes beside a box, in turn on either side; returns the size of it all, the box in the middle
  const sides = [0, 0], places = [];
  let across = down ? item.height : item.width;
  own.forEach((box, i) => {
    const side = i % 2, label = labels.get(box.name);
    const gap = down ? Math.max(34, label.width + 22) : Math.max(34, label.height + 20);
    const start = (down ? item.width : item.height) / 2 + sides[side] + gap;
    const length = down ? box.width : box.height;
    places.push({ box, label, offset: (side ? 1 : -1) * (start + length / 2), gap: (side ? 1 : -1) * (start - gap / 2) });
    sides[side] += gap + length;
    across = Math.max(across, down ? box.height : box.width);
  });
  const along = (down ? item.width : item.height) + 2 * Math.max(...sides);
  return { places, width: down ? along : across, height: down ? across : along };
}

function clipped(box, toward) {
  // where the line from the middle of a box to a point leaves the box
  const dx = toward.x - box.x, dy = toward.y - box.y;
  if (!dx && !dy) return { x: box.x, y: box.y };
  const share = Math.min(dx ? box.width / 2 / Math.abs(dx) : Infinity, dy ? box.height / 2 / Math.abs(dy) : Infinity);
  return { x: box.x + dx * share, y: box.y + dy * share };
}

function layout(seen, model, { direction = "both", rankdir = "TB" } = {}) {
  const down = rankdir === "TB";
  const graph = new dagre.graphlib.Graph({ compound: true, multigraph: false });
  graph.setGraph({ rankdir, nodesep: 30, ranksep: SIZES.between, edgesep: 16 });
  graph.setDefaultEdgeLabel(() => ({}));
  const items = new Map(seen.items.map((item) => [item.name, sized(item, direction, model)]));
  const labels = new Map(seen.edges.map((edge) => {
    const lines = edgeLines(edge, direction, model);
    const width = Math.max(0, ...lines.map((line) => textWidth(line.text, SIZES.label, true)));
    return [edge.name, { edge, lines, width: lines.length ? width + 8 : 0, height: 13 * lines.length }];
  }));
  const beside = satellitesOf(seen), placed = new Map(), attached = new Set();
  for (const [target, own] of beside) {
    const byName = new Map(own.map((name) => [name, labels.get(name + " " + target)]));
    placed.set(target, surround(items.get(target), own.map((name) => items.get(name)), byName, down));
    own.forEach((name) => attached.add(name));
  }
  for (const frame of seen.frames) graph.setNode(frame.name, {});
  for (const item of seen.items) {
    if (attached.has(item.name)) continue;
    const { width, height } = placed.get(item.name) || items.get(item.name);
    graph.setNode(item.name, { width, height });
    if (seen.parents[item.name]) graph.setParent(item.name, seen.parents[item.name]);
  }
  for (const frame of seen.frames) if (frame.parent) graph.setParent(frame.name, frame.parent);
  for (const edge of seen.edges) {
    if (attached.has(edge.source)) continue;
    const { width, height } = labels.get(edge.name);
    graph.setEdge(edge.source, edge.target, { width, height, labelpos: "c", weight: 1 + edge.inputs.length });
  }
  dagre.layout(graph);
  for (const item of items.values()) if (!attached.has(item.name)) Object.assign(item, at(graph.node(item.name)));
  const edges = [];
  for (const [target, around] of placed) {
    const middle = items.get(target);
    for (const { box, label, offset, gap } of around.places) {
      Object.assign(box, down ? { x: middle.x + offset, y: middle.y } : { x: middle.x, y: middle.y + offset });
      const place = down ? { x: middle.x + gap, y: middle.y } : { x: middle.x, y: middle.y + gap };
      edges.push({ ...label, ...place, points: [clipped(box, middle), clipped(middle, box)] });
    }
  }
  for (const edge of seen.edges) {
    if (attached.has(edge.source)) continue;
    const { points, x, y } = graph.edge(edge.source, edge.target);
    const inner = points.slice(1, -1);
    if (!inner.length) inner.push({ x: (points[0].x + points[1].x) / 2, y: (points[0].y + points[1].y) / 2 });
    const whole = [clipped(items.get(edge.source), inner[0]), ...inner, clipped(items.get(edge.target), inner[inner.length - 1])];
    edges.push({ ...labels.get(edge.name), x: x ?? inner[0].x, y: y ?? inner[0].y, points: whole });
  }
  return moved({ items: [...items.values()], edges, frames: framed(seen, items), rankdir });
}

const at = ({ x, y }) => ({ x, y });

function framed(seen, items) {
  // each open group as wide as what is in it, with room for its title; inner ones first
  const found = new Map(), top = 26, side = 12;
  for (const frame of [...seen.frames].reverse()) {
    const inside = [
      ...seen.items.filter((item) => seen.parents[item.name] === frame.name).map((item) => items.get(item.name)),
      ...seen.frames.filter((other) => other.parent === frame.name).map((other) => found.get(other.name)),
    ];
    let [left, right, up, low] = bounds(inside);
    [left, right, up, low] = [left - side, right + side, up - top, low + side];
    const wanted = textWidth(frame.group.title, 11.5, false, true) + 36;
    if (right - left < wanted) right = left + wanted;
    found.set(frame.name, { ...frame, x: (left + right) / 2, y: (up + low) / 2, width: right - left, height: low - up });
  }
  return seen.frames.map((frame) => found.get(frame.name));
}

function bounds(boxes) {
  let [left, right, up, low] = [Infinity, -Infinity, Infinity, -Infinity];
  for (const { x, y, width, height } of boxes) {
    [left, right] = [Math.min(left, x - width / 2), Math.max(right, x + width / 2)];
    [up, low] = [Math.min(up, y - height / 2), Math.max(low, y + height / 2)];
  }
  return [left, right, up, low];
}

function moved(made) {
  // so that everything lies right and below of the margin
  const margin = 14;
  const points = made.edges.flatMap((edge) => [...edge.points.map(({ x, y }) => ({ x, y, width: 0, height: 0 })), edge]);
  const everything = [...made.items, ...made.frames, ...points];
  const [left, right, up, low] = everything.length ? bounds(everything) : [0, 0, 0, 0];
  const seen = new Set();
  for (const place of [...everything, ...made.edges.flatMap((edge) => edge.points)]) {
    if (seen.has(place)) continue;
    seen.add(place);
    place.x += margin - left;
    place.y += margin - up;
  }
  return { ...made, width: right - left + 2 * margin, height: low - up + 2 * margin };
}

function bestLayout(seen, model, direction, width, height) {
  // top to bottom, unless left to right can be shown larger
  const down = layout(seen, model, { direction, rankdir: "TB" });
  const scale = (made) => Math.min(1, width / made.width, height / made.height);
  const wanted = 1.15 * scale(down);
  if (scale(leastAcross(seen, down)) <= wanted) return down; // the second layout would take as long as the first
  const across = layout(seen, model, { direction, rankdir: "LR" });
  return scale(across) > wanted ? across : down;
}

function leastAcross(seen, down) {
  // what a layout from left to right needs at least: the boxes of one path beside each other
  const place = new Map(down.items.map((item, i) => [item.name, i]));
  const beside = satellitesOf(seen), attached = new Set([...beside.values()].flat());
  const leading = down.items.map(() => []);
  for (const { source, target } of seen.edges) {
    if (place.get(source) >= place.get(target)) return { width: 1, height: 1 }; // a circle through a folded group
    if (!attached.has(source)) leading[place.get(target)].push(place.get(source));
  }
  const reach = [];
  down.items.forEach((item, i) => {
    reach.push(item.width + Math.max(0, ...leading[i].map((from) => reach[from] + SIZES.between)));
  });
  return { width: Math.max(1, ...reach), height: Math.max(1, ...down.items.map((item) => item.height)) };
}
