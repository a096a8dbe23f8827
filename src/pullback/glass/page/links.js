// Which elements belong together. Slopes and rules come from the library, which asked the mapping's own pullback;
// here they are followed and nothing is calculated.

function elementLinks(box, root, model, names) {
  const { strings } = model.data, views = [];
  const exact = box.contributions || null, rules = box.rules === undefined ? null : model.data.rules[box.rules];
  const note = make("p", { class: "note", "aria-live": "polite" }, exact || rules ? strings.pointing : "");
  const inputShape = (at) => box.inputs[at].shapeHere, outShape = (part) => shapeOfPart(box, part);

  function reached(place, part) {
    // of each input the elements that an element of the output is made of
    return (box.inputs || []).map((_, at) => {
      if (exact) return exact[at] ? listedSet(exact[at][flatOf(place, box.shape)] || [], inputShape(at)) : null;
      const rule = rules && rules[part] && rules[part][at];
      return rule ? ruleSet(rule, place, outShape(part), inputShape(at)) : null;
    });
  }

  function reaching(place, at, part) {
    // of an output the elements that an element of an input goes into
    if (exact) {
      const flat = flatOf(place, inputShape(at)), found = [];
      (exact[at] || []).forEach((pairs, to) => { for (const [from, slope] of pairs) if (from === flat) found.push([to, slope]); });
      return exact[at] ? listedSet(found, box.shape) : null;
    }
    const rule = rules && rules[part] && rules[part][at];
    return rule ? inverseSet(rule, place, outShape(part), inputShape(at)) : null;
  }

  function clear() {
    for (const view of views) view.light(null, null);
  }

  function point(role, place, where) {
    const [, kind, digits, part] = /^(out|gradient|in|product)(\d*)(?:\.(\d+))?$/.exec(role) || [];
    if (!kind) {
      clear();
      note.textContent = where;
      return;
    }
    const at = Number(digits || 0), whose = Number(part || 0), found = [];
    const same = new Map(), lit = new Map(); // by role
    if (kind === "out" || kind === "gradient") {
      const suffix = part === undefined ? "" : "." + part;
      for (const other of ["out", "gradient"]) same.set(other + suffix, place);
      reached(place, whose).forEach((set, i) => {
        if (!set) return;
        for (const other of ["in", "product"]) lit.set(other + i, set);
        found.push(...set.words(kind === "out" ? names[i] : partial(model.data.loss, names[i])));
      });
    } else {
      for (const other of ["in", "product"]) same.set(other + at, place);
      const parts = Array.isArray(box.value) ? box.value.map((_, i) => i) : [null];
      for (const i of parts) {
        const set = reaching(place, at, i || 0), suffix = i === null ? "" : "." + i;
        if (!set) continue;
        for (const other of ["out", "gradient"]) lit.set(other + suffix, set);
        const name = i === null ? box.symbol : `${box.symbol} ${i + 1}`;
        found.push(...set.words(kind === "in" ? name : partial(model.data.loss, name)));
      }
    }
    for (const view of views) view.light(lit.get(view.role) || null, same.get(view.role) || null);
    const says = { out: "madeOf", gradient: "sentTo", in: "goesInto", product: "comesFrom" }[kind];
    const text = strings[says + (exact ? "" : "Rule")];
    if (found.length) note.textContent = fill(text, { where, list: listed(found, strings) });
    else note.textContent = box.kind === "mapping" ? fill(strings.partnersUnknown, { where }) : where;
  }

  function nameOf(role) {
    if (/^out$/.test(role)) return box.symbol;
    if (/^gradient$/.test(role)) return partial(model.data.loss, box.symbol);
    return /^in\d+$/.test(role) ? names[Number(role.slice(2))] : null;
  }

  return { note, point, clear, nameOf, views, known: Boolean(exact || rules), model };
}

function shapeOfPart(box, part) {
  return Array.isArray(box.value) ? box.value[part].shape || [] : box.shape;
}

function listed(found, strings) {
  return found.length > 12 ? found.slice(0, 12).join(", ") + fill(strings.more, { count: found.length - 12 }) : found.join(", ");
}

// ------------------------------------------------------------------------------------ sets of elements
// A set has `has(index)`, `first` (an index, null where it is empty) and `words(name)`.

function listedSet(pairs, shape) {
  const flats = new Set(pairs.map(([flat]) => flat));
  return {
    has: (index) => flats.has(flatOf(index, shape)),
    first: pairs.length ? indexOf(shape, pairs[0][0]) : null,
    words: (name) => pairs.map(([flat, slope]) => name + indexText(shape, flat) + (slope === undefined ? "" : ` (${shortNumber(slope)})`)),
  };
}

function ruleSet(rule, place, out, shape) {
  if (!present(rule, flatOf(place, out))) return listedSet([], shape);
  if ("flat" in rule) return listedSet([[flatOf(place, out) + rule.flat]], shape);
  const ranges = rule.axes.map((axis, at) => {
    const low = endOf(axis, "low", place, out), high = Math.min(endOf(axis, "high", place, out), shape[at] - 1);
    return { low: low < 0 ? low + axis.step * Math.ceil(-low / axis.step) : low, high, step: axis.step };
  });
  const empty = ranges.some(({ low, high }) => low > high);
  return {
    has: (index) => ranges.every(({ low, high, step }, at) => index[at] >= low && index[at] <= high && (index[at] - low) % step === 0),
    first: empty ? null : ranges.map(({ low }) => low),
    words: (name) => (empty ? [] : [name + (ranges.length ? `[${ranges.map(rangeText).join(", ")}]` : "")]),
  };
}

const MOST_SEARCHED = 200000;

function inverseSet(rule, place, out, shape) {
  // which elements of the output have this one of the input among theirs
  if ("flat" in rule) {
    const at = flatOf(place, shape) - rule.flat;
    return listedSet(at >= 0 && present(rule, at) ? [[at]] : [], out);
  }
  const holds = (axis, a, index) => {
    const low = endOf(axis, "low", index, out);
    return place[a] >= low && place[a] <= endOf(axis, "high", index, out) && (place[a] - low) % axis.step === 0;
  };
  const along = rule.axes.map((axis) => axis.over || out.map((_, j) => j).filter((j) => axis.low[j + 1] || axis.high[j + 1]));
  if (rule.mask === undefined && along.every((axes) => axes.length < 2)) return productSet(rule, along, holds, out);
  const has = (index) => present(rule, flatOf(index, out)) && rule.axes.every((axis, a) => holds(axis, a, index));
  const size = out.reduce((a, b) => a * b, 1), met = [];
  for (let at = 0; at < Math.min(size, MOST_SEARCHED); at++) {
    const index = indexOf(out, at);
    if (has(index)) met.push(index);
  }
  return { has, first: met[0] || null, words: (name) => (size > MOST_SEARCHED ? [`${name}[…]`] : met.length ? wordsOf(met, name, out) : []) };
}

function productSet(rule, along, holds, out) {
  // where each axis of the input follows one axis of the output at most, these can be looked at one by one
  const zero = out.map(() => 0);
  const possible = rule.axes.every((axis, a) => along[a].length || holds(axis, a, zero));
  const allowed = out.map((n, j) => {
    const found = [];
    for (let i = 0; i < n; i++) {
      const index = zero.map((_, k) => (k === j ? i : 0));
      if (rule.axes.every((axis, a) => along[a][0] !== j || holds(axis, a, index))) found.push(i);
    }
    return found;
  });
  const sets = allowed.map((found) => new Set(found)), empty = !possible || allowed.some((found) => !found.length);
  return {
    has: (index) => !empty && index.every((i, j) => sets[j].has(i)),
    first: empty ? null : allowed.map(([i]) => i),
    words: (name) => (empty ? [] : [out.length ? `${name}[${allowed.map(indicesText).join(", ")}]` : name]),
  };
}

function indicesText(found) {
  // a few indices, or a range where that is all of them
  const step = found.length > 1 ? found[1] - found[0] : 1;
  if (found.every((i, at) => i === found[0] + at * step)) return rangeText({ low: found[0], high: found[found.length - 1], step });
  return found.length <= 6 ? `{${found.join(", ")}}` : `{${found.slice(0, 4).join(", ")}, …, ${found[found.length - 1]}}`;
}

function wordsOf(met, name, shape) {
  // as ranges where that is all of them
  const axes = shape.map((_, a) => [...new Set(met.map((index) => index[a]))].sort((x, y) => x - y));
  const even = axes.map((found) => {
    const step = found.length > 1 ? found[1] - found[0] : 1;
    return found.every((x, i) => x === found[0] + i * step) ? { low: found[0], high: found[found.length - 1], step } : null;
  });
  const whole = axes.reduce((count, found) => count * found.length, 1) === met.length && even.every(Boolean);
  if (whole && shape.length) return [`${name}[${even.map(rangeText).join(", ")}]`];
  return met.map((index) => (index.length ? `${name}[${index.join(", ")}]` : name));
}

function rangeText({ low, high, step }) {
  const count = Math.floor((high - low) / step) + 1;
  if (count === 1) return String(low);
  if (step === 1) return `${low}…${high}`;
  const last = low + (count - 1) * step;
  return count <= 4 ? `{${Array.from({ length: count }, (_, i) => low + i * step).join(", ")}}` : `{${low}, ${low + step}, …, ${last}}`;
}

function endOf(axis, name, place, out) {
  const numbers = axis[name];
  if (axis.over) return numbers[axis.over.reduce((at, j) => at * out[j] + place[j], 0)];
  let end = numbers[0];
  for (let j = 0; j < place.length; j++) end += numbers[j + 1] * place[j];
  return end;
}

const masks = new WeakMap();

function present(rule, flat) {
  if (rule.mask === undefined) return true;
  if (!masks.has(rule)) masks.set(rule, bytesOf(rule.mask));
  return Boolean((masks.get(rule)[flat >> 3] >> (flat & 7)) & 1);
}

function bytesOf(text) {
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
}

function flatOf(index, shape) {
  return index.reduce((flat, i, axis) => flat * shape[axis] + i, 0);
}
