// What is visible while some groups are closed: a closed group stands for all that is in it.
// No DOM here: this file also runs where a static picture is made.

function makeModel(data) {
  const groups = new Map(data.groups.map((group) => [group.number, group]));
  const parentOf = new Map(); // of a box: its number; of a group: "g" and its number
  for (const group of data.groups) for (const item of group.items) parentOf.set(item, group.number);
  const root = data.groups[0].number;
  const order = []; // mappings in the order of the computation
  const readers = data.boxes.map(() => []);
  data.boxes.forEach((box, number) => {
    box.number = number;
    if (box.kind === "mapping") order.push(number);
    (box.inputs || []).forEach((input, at) => {
      if (input.source === null) return;
      readers[input.source].push({ box: number, at });
      if (!input.alone) return;
      // what it sends is all that arrives at its source
      const { gradient, gradientText } = data.boxes[input.source];
      Object.assign(input, { product: gradient, productText: gradientText.slice(Math.max(0, gradientText.indexOf("‖"))) });
    });
  });
  const inside = new Map(); // how many mappings a group holds
  for (const group of [...data.groups].reverse()) {
    let count = 0;
    for (const item of group.items)
      count += typeof item === "number" ? data.boxes[item].kind === "mapping" : inside.get(Number(item.slice(1)));
    inside.set(group.number, count);
  }
  return { data, boxes: data.boxes, groups, parentOf, root, order, readers, inside };
}

function chainOf(model, number) {
  // the groups around a box, outermost first, without the root
  const chain = [];
  for (let at = model.parentOf.get(number); at !== undefined && at !== model.root; at = model.parentOf.get("g" + at))
    chain.unshift(at);
  return chain;
}

function visible(model, open) {
  const items = [], frames = [], parents = {}, standsFor = new Array(model.boxes.length);
  const waiting = [["g" + model.root, null, null]];
  while (waiting.length) {
    let [item, frame, closed] = waiting.pop();
    if (typeof item === "number") {
      const name = closed || "b" + item;
      standsFor[item] = name;
      if (!closed) {
        items.push({ name, box: model.boxes[item] });
        parents[name] = frame;
      }
      continue;
    }
    const group = model.groups.get(Number(item.slice(1)));
    if (!closed && group.number !== model.root) {
      if (open.has(group.number)) {
        frames.push({ name: item, group, parent: frame });
        frame = item;
      } else {
        items.push({ name: item, group });
        parents[item] = frame;
        closed = item;
      }
    }
    for (const inner of [...group.items].reverse()) waiting.push([inner, frame, closed]);
  }
  const merged = new Map();
  model.boxes.forEach((box, number) => {
    (box.inputs || []).forEach((input, at) => {
      if (input.source === null) return;
      const source = standsFor[input.source], target = standsFor[number];
      if (source === target) return;
      const key = source + " " + target;
      if (!merged.has(key)) merged.set(key, { name: key, source, target, inputs: [] });
      merged.get(key).inputs.push({ box: number, at, from: input.source });
    });
  });
  return { items, frames, parents, edges: [...merged.values()], standsFor };
}
