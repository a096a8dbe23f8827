// What the page does: state, and what happens when somebody clicks, types or steps.

let model = makeModel(JSON.parse(document.getElementById("data").textContent));
let steps = makeSteps(model);
const strings = model.data.strings;
const byId = (id) => document.getElementById(id);
measuring.width = makeMeasure();
const canvas = makeCanvas(byId("stage"), byId("drawing"));
const state = {
  open: new Set(model.data.open), selected: null, looked: null, focused: null, position: steps.total, breakpoints: new Set(),
  direction: model.data.direction, made: null, seen: null, playing: null,
  stepped: false, // whether somebody has begun to step
};
const MOST_OPEN = 240;

// ------------------------------------------------------------------------------------------- drawing

function draw({ fit = false, around = null } = {}) {
  const before = around && state.made ? placeOf(around) : null;
  state.seen = visible(model, state.open);
  const area = canvas.area();
  state.made = fit || !state.made
    ? bestLayout(state.seen, model, state.direction, area.width, area.height)
    : layout(state.seen, model, { direction: state.direction, rankdir: state.made.rankdir }); // nothing turns round
  canvas.layer.innerHTML = paint(state.made, model, state.direction);
  byId("drawing").setAttribute("aria-label", fill(strings.drawingOf, { title: model.data.title, count: state.made.items.length }));
  const after = before && placeOf(around);
  if (fit || !before || !after) canvas.fit(state.made);
  else canvas.keepPlace(before, after);
  if (!state.focused || !placeOf(state.focused)) state.focused = state.made.items.length ? state.made.items[0].name : null;
  refresh();
}

function places() {
  return [...state.made.items, ...state.made.frames.map((frame) => ({ ...frame, y: frame.y - frame.height / 2 + 10, height: 20 }))];
}

function placeOf(name) {
  return places().find((place) => place.name === name) || null;
}

function refresh() {
  // everything that changes without a new layout
  const now = state.position < steps.total || state.stepped ? steps.at(state.position) : null;
  const current = now ? state.seen.standsFor[now.number] : null;
  for (const element of canvas.layer.querySelectorAll(".box")) {
    const name = element.dataset.name, number = name[0] === "b" ? Number(name.slice(1)) : null;
    element.classList.toggle("selected", name === state.selected);
    element.classList.toggle("current", name === current);
    element.classList.toggle("back", name === current && now.back);
    element.classList.toggle("stops", number !== null && state.breakpoints.has(number));
    element.classList.toggle("no-value", number !== null && !steps.knowsValue(number, state.position));
    element.classList.toggle("no-gradient", number !== null && !steps.knowsGradient(number, state.position));
    element.setAttribute("aria-pressed", String(name === state.selected));
  }
  for (const element of canvas.layer.querySelectorAll(".edge")) {
    const { source, target } = element.dataset;
    const number = target[0] === "b" ? Number(target.slice(1)) : null;
    const from = source[0] === "b" ? Number(source.slice(1)) : null;
    element.classList.toggle("no-value", from !== null && !steps.knowsValue(from, state.position));
    element.classList.toggle("no-gradient", number !== null && !steps.knowsProduct(number, state.position));
    const takesPart = target === current && (!now.back || element.dataset.back === "yes");
    element.classList.toggle("current", takesPart);
    element.classList.toggle("back", takesPart && now.back);
    element.classList.toggle("touches", source === state.selected || target === state.selected);
  }
  for (const element of canvas.layer.querySelectorAll("[tabindex]"))
    element.setAttribute("tabindex", element.id === "pb-" + state.focused ? 0 : -1);
  refreshBar();
}

// -------------------------------------------------------------------------------------------- acting

function select(number, { focus = false } = {}) {
  if (state.seen.standsFor[number] !== "b" + number) {
    for (const group of chainOf(model, number)) state.open.add(group);
    draw({ around: state.seen.standsFor[number] });
  }
  choose("b" + number, focus);
}

function choose(name, focus = false) {
  state.selected = name;
  if (name) state.focused = name;
  if (state.position === steps.total) state.stepped = false;
  showPanel();
  refresh();
  const place = name && placeOf(name);
  if (place) canvas.reveal(place);
  if (focus && name) byId("pb-" + name)?.focus();
}

const actions = {
  select: (number) => select(number),
  unfold: (group) => toggleGroup(group, true),
  current: () => state.looked,
  hasBreakpoint: (number) => state.breakpoints.has(number),
  toggleBreakpoint(number) {
    if (!state.breakpoints.delete(number)) state.breakpoints.add(number);
    refresh();
    byId("toggle-breakpoint")?.setAttribute("aria-pressed", String(state.breakpoints.has(number)));
    say(fill(state.breakpoints.has(number) ? strings.breakpointSet : strings.breakpointGone, { title: model.boxes[number].title }));
  },
  goTo: (number) => moveTo(steps.forwardAt(number)),
  foldAround(number) {
    const chain = chainOf(model, number).filter((group) => state.open.has(group));
    if (chain.length) toggleGroup(chain[chain.length - 1], false);
  },
  edit: model.data.serve ? edit : null,
  ask: model.data.serve ? ask : null,
};

function showPanel(inside = null) {
  // `inside`: a mapping in a closed group that was stepped to; its receipt says more than the group does
  const panel = byId("panel"), { selected } = state;
  state.looked = !selected ? null : selected[0] === "b" ? Number(selected.slice(1)) : inside;
  if (!selected) panel.replaceChildren(introduction());
  else if (state.looked === null) panel.replaceChildren(groupPanel(model, model.groups.get(Number(selected.slice(1))), actions));
  else panel.replaceChildren(receiptPanel(model, state.looked, actions));
}

function introduction() {
  const root = model.boxes[model.data.root];
  const kinds = ["leaf", "mapping", "constant", "group"].map((kind) => make("li", { class: "key " + kind }, strings["key_" + kind]));
  return make("div", { class: "receipt" }, make("h2", {}, root ? root.title : ""),
    make("p", { class: "lead" }, fill(strings.intro, { count: model.order.length })),
    make("p", {}, strings.howTo), make("ul", { class: "keys" }, ...kinds),
    make("p", {}, make("span", { class: "swatch value" }, "= 2.5"), " " + strings.value + "   ",
      make("span", { class: "swatch gradient" }, "∂ 0.7"), " " + strings.gradientLong));
}

function toggleGroup(number, unfolded) {
  const name = "g" + number;
  if (unfolded) state.open.add(number);
  else {
    for (const group of [number, ...descendants(number)]) state.open.delete(group);
  }
  const first = model.groups.get(number).items[0];
  draw({ around: unfolded ? name : firstVisible(name) });
  state.focused = name;
  if (state.selected && !placeOf(state.selected)) state.selected = null;
  if (unfolded && state.selected === name) state.selected = null;
  showPanel();
  refresh();
  byId("pb-" + name)?.focus({ preventScroll: true });
  const title = model.groups.get(number).title;
  say(fill(unfolded ? strings.unfolded : strings.foldedNow, { title, count: state.made.items.length }));
  return first;
}

function firstVisible(name) {
  return placeOf(name) ? name : null;
}

function descendants(number) {
  const found = [], waiting = [number];
  while (waiting.length)
    for (const item of model.groups.get(waiting.pop()).items)
      if (typeof item === "string") {
        found.push(Number(item.slice(1)));
        waiting.push(Number(item.slice(1)));
      }
  return found;
}

function unfoldAll() {
  const waiting = [model.root];
  let count = state.made.items.length;
  while (waiting.length) {
    const group = model.groups.get(waiting.shift());
    for (const item of group.items) {
      if (typeof item === "number") continue;
      const inner = model.groups.get(Number(item.slice(1)));
      if (!state.open.has(inner.number)) {
        if (count + inner.items.length - 1 > MOST_OPEN) continue;
        state.open.add(inner.number);
        count += inner.items.length - 1;
      }
      waiting.push(inner.number);
    }
  }
  draw({ fit: true });
}

function foldAll() {
  state.open = new Set([model.root]);
  state.selected = null;
  draw({ fit: true });
  showPanel();
}

// ------------------------------------------------------------------------------------------ stepping

function moveTo(position) {
  state.position = Math.min(steps.total, Math.max(0, position));
  state.stepped = true;
  const now = steps.at(state.position);
  if (now) {
    const name = state.seen.standsFor[now.number];
    state.selected = name;
    showPanel(now.number);
    const place = placeOf(name);
    if (place) canvas.reveal(place);
  }
  refresh();
  say(stepWords(model, steps, state.position));
}

const step = (direction) => moveTo(steps.stop(state.position, direction, null));
const run = (direction) => moveTo(steps.stop(state.position, direction, state.breakpoints));

function play() {
  if (state.playing) {
    clearInterval(state.playing);
    state.playing = null;
  } else {
    if (state.position >= steps.total) moveTo(0);
    state.playing = setInterval(() => {
      step(1);
      const now = steps.at(state.position);
      if (state.position >= steps.total || (now && state.breakpoints.has(now.number))) play();
    }, 800);
  }
  refresh();
}

function say(text) {
  byId("status").textContent = text;
}

// ----------------------------------------------------------------------------------------------- bar

const PLAY = "M4 2.5l9 5.5-9 5.5z";

function icon(path) {
  const picture = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  picture.setAttribute("viewBox", "0 0 16 16");
  picture.setAttribute("class", "icon");
  picture.setAttribute("aria-hidden", "true");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
  line.setAttribute("d", path);
  if (!path.includes("z") || path.startsWith("M2.5")) line.setAttribute("class", "open");
  picture.append(line);
  return picture;
}

function buildBar() {
  const button = (id, symbol, label, act, key) =>
    make("button", { type: "button", id, title: key ? `${label} (${key})` : label, "aria-label": label, onclick: act }, icon(symbol));
  const group = (label, ...children) => make("div", { class: "group", role: "group", "aria-label": label }, ...children);
  const directions = (model.data.gradients ? ["forward", "backward", "both"] : ["forward"]).map((direction) =>
    make("button", { type: "button", id: "direction-" + direction, onclick: () => turn(direction) }, strings["direction_" + direction]));
  byId("bar").append(
    make("h1", {}, make("span", { class: "mark", "aria-hidden": "true" }, "∂"), " " + model.data.title,
      make("small", {}, model.boxes[model.data.root]?.valueText !== undefined ? " = " + model.boxes[model.data.root].valueText : "")),
    group(strings.showing, ...directions),
    group(strings.stepping,
      button("first", "M4 3v10M13 3L6 8l7 5z", strings.first, () => moveTo(0), "Home"),
      button("run-back", "M8 3L2 8l6 5zM14 3L8 8l6 5z", strings.runBack, () => run(-1), "Shift+,"),
      button("step-back", "M11 3L4 8l7 5z", strings.stepBackward, () => step(-1), ","),
      button("play", PLAY, strings.play, play, "Space"),
      button("step", "M4 3l6 5-6 5zM12 3v10", strings.step, () => step(1), "."),
      button("run", "M2 3l6 5-6 5zM8 3l6 5-6 5z", strings.run, () => run(1), "Shift+."),
      button("last", "M3 3l7 5-7 5zM12 3v10M14 3v10", strings.last, () => moveTo(steps.total), "End"),
      make("input", { type: "range", id: "slider", min: 0, max: steps.total, "aria-label": strings.position, oninput: (event) => moveTo(Number(event.target.value)) }),
      make("output", { id: "position", for: "slider" })),
    group(strings.folding, button("fold-all", "M2.5 2.5h11v11h-11zM5 8h6", strings.foldAll, foldAll), button("unfold-all", "M2.5 2.5h11v11h-11zM5 8h6M8 5v6", strings.unfoldAll, unfoldAll)),
    make("button", { type: "button", id: "show-help", title: strings.help, "aria-label": strings.help, onclick: () => byId("help").showModal() }, "?")
  );
  byId("zoom").append(button("zoom-in", "M8 3v10M3 8h10", strings.zoomIn, () => canvas.zoom(1.25), "+"), button("zoom-out", "M3 8h10", strings.zoomOut, () => canvas.zoom(0.8), "-"),
    button("fit", "M3 6V3h3M10 3h3v3M13 10v3h-3M6 13H3v-3", strings.fit, () => canvas.fit(state.made), "0"));
  const rows = strings.keys.split("\n").map((line) => line.split("|")).map(([keys, says]) => make("tr", {}, make("th", { scope: "row" }, make("kbd", {}, keys)), make("td", {}, says)));
  byId("help").append(make("h2", {}, strings.help), make("table", {}, make("tbody", {}, ...rows)),
    make("form", { method: "dialog" }, make("button", {}, strings.close)));
}

function turn(direction) {
  state.direction = direction;
  draw({ fit: true });
}

function refreshBar() {
  for (const direction of ["forward", "backward", "both"])
    byId("direction-" + direction)?.setAttribute("aria-pressed", String(direction === state.direction));
  const slider = byId("slider"), now = steps.at(state.position);
  slider.max = steps.total;
  slider.value = state.position;
  const arrow = !now ? "" : now.back ? "← " : "→ ";
  byId("position").textContent = arrow + state.position + " / " + steps.total;
  slider.setAttribute("aria-valuetext", stepWords(model, steps, state.position));
  byId("play").replaceChildren(icon(state.playing ? "M5 3v10M11 3v10" : PLAY));
  byId("play").setAttribute("aria-label", state.playing ? strings.pause : strings.play);
}

// ------------------------------------------------------------------------------------------- editing

async function ask(what, question) {
  // ask the engine behind the page
  const address = new URL(model.data.serve, document.baseURI);
  const answer = await fetch(what === "edit" ? address : new URL(what, address), {
    method: "POST", headers: { "Content-Type": "application/json" }, credentials: "omit", body: JSON.stringify(question),
  });
  const data = await answer.json();
  if (!answer.ok) throw new Error(data.error || answer.statusText);
  return data;
}

async function edit(number, flat, value) {
  const box = model.boxes[number];
  say(strings.asking);
  try {
    replaceData(await ask("edit", { name: box.symbol, index: indexOf(box.shape, flat), value }));
    say(fill(strings.edited, { where: box.symbol + indexText(box.shape, flat), value: shortNumber(value), title: model.data.title, result: model.boxes[model.data.root].valueText }));
  } catch (error) {
    say(fill(strings.failed, { why: error.message }));
    byId("status").classList.add("failed");
    setTimeout(() => byId("status").classList.remove("failed"), 4000);
  }
}

function replaceData(data) {
  const same = data.boxes.length === model.boxes.length && data.groups.length === model.groups.size;
  model = makeModel({ ...data, strings, serve: model.data.serve });
  steps = makeSteps(model);
  if (!same) Object.assign(state, { open: new Set(data.open), selected: null, position: steps.total, breakpoints: new Set() });
  draw({ around: state.selected });
  showPanel();
  document.querySelector("h1 small").textContent = " = " + model.boxes[model.data.root].valueText;
}

// ---------------------------------------------------------------------------------------------- keys

canvas.layer.addEventListener("click", (event) => {
  if (canvas.dragged) return;
  const box = event.target.closest(".box"), fold = event.target.closest(".fold");
  if (fold) toggleGroup(Number(fold.dataset.frame.slice(1)), false);
  else if (box) act(box.dataset.name);
});

function act(name) {
  if (name[0] === "g") toggleGroup(Number(name.slice(1)), true);
  else choose(name, true);
}

canvas.layer.addEventListener("focusin", (event) => {
  const element = event.target.closest("[data-name], [data-frame]");
  if (!element) return;
  state.focused = element.dataset.name || element.dataset.frame;
  for (const other of canvas.layer.querySelectorAll("[tabindex='0']")) other.setAttribute("tabindex", -1);
  element.setAttribute("tabindex", 0);
  const place = placeOf(state.focused);
  if (place) canvas.reveal(place);
});

canvas.layer.addEventListener("keydown", (event) => {
  const element = event.target.closest("[data-name], [data-frame]");
  if (!element || event.ctrlKey || event.metaKey || event.altKey) return;
  const name = element.dataset.name || element.dataset.frame;
  if (event.key.startsWith("Arrow")) {
    const next = neighbour(places(), placeOf(name), event.key);
    if (next) byId("pb-" + next.name).focus({ preventScroll: true });
  } else if (event.key === "Enter") {
    if (element.dataset.frame) toggleGroup(Number(name.slice(1)), false);
    else act(name);
  } else if (event.key === "Escape") {
    const parent = element.dataset.frame || state.seen.parents[name];
    if (parent) toggleGroup(Number(parent.slice(1)), false);
  } else return;
  event.preventDefault();
  event.stopPropagation();
});

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || byId("help").open) return;
  if (event.target.closest("input, textarea, select, summary, pre") && event.target.id !== "slider") return;
  const onButton = event.target.closest("button");
  const chosen = state.selected && state.selected[0] === "b" ? Number(state.selected.slice(1)) : null;
  const pressed = {
    ".": () => step(1), ",": () => step(-1), ">": () => run(1), "<": () => run(-1),
    Home: () => moveTo(0), End: () => moveTo(steps.total), " ": onButton ? null : play,
    b: () => chosen !== null && model.boxes[chosen].kind === "mapping" && actions.toggleBreakpoint(chosen),
    "+": () => canvas.zoom(1.25), "=": () => canvas.zoom(1.25), "-": () => canvas.zoom(0.8), 0: () => canvas.fit(state.made),
    "?": () => byId("help").showModal(), r: () => byId("panel").focus(),
  }[event.key];
  if (!pressed || (event.target.closest("td") && event.key === " ")) return;
  event.preventDefault();
  pressed();
});

window.addEventListener("resize", () => canvas.fit(state.made));

buildBar();
draw({ fit: true });
showPanel();
document.documentElement.dataset.ready = String(Math.round(performance.now()));
