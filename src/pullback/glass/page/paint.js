// A layout as SVG. Everything that a program named goes through `escaped`.

function escaped(text) {
  return String(text).replace(/[&<>"']/g, (c) => "&#" + c.charCodeAt(0) + ";");
}

function round(x) {
  return Math.round(x * 10) / 10;
}

function curve(points) {
  // a smooth line through the middles of the segments that dagre gives
  let path = `M${round(points[0].x)} ${round(points[0].y)}`;
  for (let i = 1; i < points.length - 1; i++) {
    const a = points[i], b = points[i + 1], last = i === points.length - 2;
    const end = last ? b : { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 };
    path += `Q${round(a.x)} ${round(a.y)} ${round(end.x)} ${round(end.y)}`;
  }
  if (points.length === 2) path += `L${round(points[1].x)} ${round(points[1].y)}`;
  return path;
}

function paintPicture(picture, x, y) {
  let cells = "";
  picture.rows.forEach((row, r) => {
    row.forEach((value, c) => {
      const finite = Number.isFinite(value);
      const share = finite && picture.most > 0 ? Math.abs(value) / picture.most : 0;
      const kind = finite ? (value < 0 ? "minus" : "plus") : "odd";
      const strength = finite ? round(10 * (0.06 + 0.94 * share)) / 10 : 1;
      cells +=
        `<rect x="${round(x + c * SIZES.cell)}" y="${round(y + r * SIZES.cell)}" width="${SIZES.cell - 0.6}" ` +
        `height="${SIZES.cell - 0.6}" class="${kind}" fill-opacity="${strength}"/>`;
    });
  });
  return `<g class="picture">${cells}</g>`;
}

function kindOf(item, model) {
  if (item.group) return "group";
  return item.box.number === model.data.root ? "root" : item.box.kind;
}

function describe(item, model) {
  const { strings } = model.data;
  if (item.group) {
    const count = strings.mappings.replace("{count}", model.inside.get(item.group.number));
    return `${strings.folded}: ${item.group.title}, ${count}`;
  }
  const parts = [item.box.title];
  if (item.box.valueText !== undefined) parts.push(`${strings.value} ${item.box.valueText}`);
  if (item.box.gradientText !== undefined) parts.push(`${strings.gradient} ${item.box.gradientText}`);
  return parts.join(", ");
}

function paintBox(item, model) {
  const left = item.x - item.width / 2, top = item.y - item.height / 2, kind = kindOf(item, model);
  const corner = kind === "leaf" ? Math.min(16, item.height / 2) : kind === "constant" ? 3 : 8;
  let inner = "";
  if (kind === "group")
    inner +=
      `<rect class="shade" x="${round(left + 5)}" y="${round(top + 5)}" width="${round(item.width)}" ` +
      `height="${round(item.height)}" rx="8"/>`;
  inner +=
    `<rect class="body" x="${round(left)}" y="${round(top)}" width="${round(item.width)}" ` +
    `height="${round(item.height)}" rx="${corner}"/>`;
  let y = top + 20;
  inner += `<text class="title" x="${round(item.x)}" y="${round(y)}">${escaped(item.title)}</text>`;
  y += 4;
  for (const line of item.lines) {
    const middle = y + line.height / 2;
    if (line.picture) {
      const width = textWidth(line.text, SIZES.small, true) + 10 + line.picture.width;
      const start = item.x - width / 2;
      inner += `<text class="${line.kind}" x="${round(start)}" y="${round(middle + 4)}">${escaped(line.text)}</text>`;
      inner += `<g class="${line.kind}">`;
      inner += paintPicture(line.picture, start + width - line.picture.width, middle - line.picture.height / 2) + "</g>";
    } else {
      inner +=
        `<text class="${line.kind} middle" x="${round(item.x)}" y="${round(middle + 4)}">${escaped(line.text)}</text>`;
    }
    y += line.height;
  }
  if (item.group) inner += `<text class="plus-sign" x="${round(left + item.width - 10)}" y="${round(top + 14)}">+</text>`;
  inner += `<circle class="breakpoint" cx="${round(left + 1)}" cy="${round(top + 1)}" r="5.5"/>`;
  const says = escaped(describe(item, model));
  return (
    `<g class="box ${kind}" id="pb-${item.name}" data-name="${item.name}" role="button" tabindex="-1" ` +
    `aria-label="${says}"><title>${says}</title>${inner}</g>`
  );
}

function paintFrame(frame) {
  const left = frame.x - frame.width / 2, top = frame.y - frame.height / 2;
  const title = escaped(frame.group.title);
  return (
    `<g class="frame ${frame.group.kind}"><rect x="${round(left)}" y="${round(top)}" width="${round(frame.width)}" ` +
    `height="${round(frame.height)}" rx="10"/><g class="fold" id="pb-${frame.name}" data-frame="${frame.name}" ` +
    `role="button" tabindex="-1" aria-expanded="true" aria-label="${title}"><rect class="hit" x="${round(left)}" ` +
    `y="${round(top)}" width="${round(frame.width)}" height="20"/><text x="${round(left + 10)}" ` +
    `y="${round(top + 14)}">− ${title}</text></g></g>`
  );
}

function paintEdge(made, model, direction) {
  const { edge, lines } = made;
  const sends = edge.inputs.some(({ box, at }) => model.boxes[box].inputs[at].productText !== undefined);
  const back = direction === "backward";
  const path = curve(back ? [...made.points].reverse() : made.points);
  let inner = `<path class="line" d="${path}" marker-end="url(#pb-${back ? "back" : "forth"})"/>`;
  const [from, to] = [made.points[0], made.points[made.points.length - 1]];
  const level = Math.abs(from.y - to.y) < 1 && made.points.length === 2; // one label above the line, one below
  lines.forEach((line, i) => {
    const y = level ? made.y + (i ? 13 : -5) : made.y + (i - (lines.length - 1) / 2) * 13 + 3.5;
    inner += `<text class="label ${line.kind}" x="${round(made.x)}" y="${round(y)}">${escaped(line.text)}</text>`;
  });
  return `<g class="edge" data-source="${edge.source}" data-target="${edge.target}" data-back="${sends ? "yes" : "no"}">${inner}</g>`;
}

function paint(made, model, direction) {
  const marker = (name) =>
    `<marker id="pb-${name}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" ` +
    `orient="auto-start-reverse"><path d="M0 1 L9 5 L0 9 z" class="head ${name}"/></marker>`;
  return (
    `<defs>${marker("forth")}${marker("back")}</defs>` +
    `<g class="frames">${made.frames.map(paintFrame).join("")}</g>` +
    `<g class="edges">${made.edges.map((edge) => paintEdge(edge, model, direction)).join("")}</g>` +
    `<g class="boxes">${made.items.map((item) => paintBox(item, model)).join("")}</g>`
  );
}

function staticSvg(json, style) {
  const data = JSON.parse(json);
  const model = makeModel(data);
  const made = bestLayout(visible(model, new Set(data.open)), model, data.direction, 1200, 900);
  const width = Math.ceil(made.width), height = Math.ceil(made.height);
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" class="pullback" role="img" width="${width}" height="${height}" ` +
    `viewBox="0 0 ${width} ${height}" aria-label="${escaped(data.title)}"><style>${style}</style>` +
    `${paint(made, model, data.direction)}</svg>`
  );
}
