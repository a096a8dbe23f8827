// The account of a box: the facts that the panel shows, and the same as text. Nothing is calculated here.

function shortNumber(x) {
  if (typeof x === "boolean") return x ? "1" : "0";
  if (typeof x !== "number") return { nan: "NaN", inf: "∞", "-inf": "−∞" }[x] || String(x);
  if (Number.isInteger(x) && Math.abs(x) < 1e6) return String(x).replace("-", "−");
  const text = Number(x.toPrecision(5));
  const size = Math.abs(text);
  const shown = size !== 0 && (size < 1e-4 || size >= 1e6) ? text.toExponential() : String(text);
  return shown.replace("e+", "e").replace(/-/g, "−");
}

function valueWords(value, strings) {
  // a value in one line: a number, a small array in full, a large one as its range
  if (value === null || value === undefined) return strings.unknown;
  if (Array.isArray(value)) return value.map((part) => valueWords(part, strings)).join("; ");
  if (typeof value !== "object") return shortNumber(value);
  const rows = value.rows.map((row) => "[" + row.map(shortNumber).join(", ") + "]");
  if (value.whole) return value.shape.length === 1 ? rows[0] : "[" + rows.join(", ") + "]";
  return fill(strings.range, {
    shape: value.shape.join("×"), low: shortNumber(value.low), high: shortNumber(value.high),
    mean: shortNumber(value.mean), norm: shortNumber(value.norm),
  });
}

function fill(template, values) {
  return template.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

function partial(top, bottom) {
  return `∂${top}/∂${bottom}`;
}

function account(model, number) {
  const { data } = model, { strings } = data;
  const box = model.boxes[number], working = box.working === undefined ? null : data.workings[box.working];
  const made = { number, title: box.title, lead: "", facts: [], sections: [] };
  const upstream = number === data.root ? "1" : partial(data.loss, box.symbol);
  if (working) {
    made.lead = working.words;
    made.mathml = ownFormula(model, box) || working.formula_mathml;
    made.facts.push([strings.mapping, box.mapping]);
  } else {
    made.lead = strings[box.parameter ? "parameter" : box.kind];
  }
  made.facts.push([strings.type, box.dtype + (box.shape.length ? ` [${box.shape.join(", ")}]` : "")]);
  const path = chainOf(model, number).map((at) => model.groups.get(at)).filter((group) => group.kind === "module");
  if (path.length) made.facts.push([strings.module, path.map((group) => group.title).join(" › ")]);
  if (box.origin !== undefined) {
    const origin = data.origins[box.origin];
    made.facts.push([strings.origin, `${origin.file}:${origin.line}`, origin.text]);
  }
  made.sections.push(forwardOf(model, box, working));
  if (data.gradients) made.sections.push({ name: strings.arrives, kind: "gradient", entries: [], local: localReceipts(model, number) });
  if (working && data.gradients) made.sections.push(backwardOf(model, box, working, upstream));
  if (working && working.kink) made.facts.push([strings.kink, working.kink]);
  return made;
}

function forwardOf(model, box, working) {
  const { strings } = model.data;
  const entries = [];
  (box.inputs || []).forEach((input, at) => {
    const source = input.source === null ? null : model.boxes[input.source];
    let value = source ? source.value : input.value;
    if (source && Array.isArray(value)) value = value[input.part || 0];
    const name = input.argument === input.symbol ? input.symbol : `${input.argument} = ${input.symbol}`;
    if (source || value !== null) entries.push({ name, value, role: "in" + at, box: input.source });
  });
  const numbers = working && working.numbers;
  entries.push({
    name: working ? box.title : box.symbol, value: box.value, role: "out",
    detail: numbers ? `${box.symbol} = ${numbers}` : "",
    mathml: numbers ? working.numbers_mathml : "", result: true,
  });
  return { name: strings.forward, kind: "value", entries };
}

function ownFormula(model, box) {
  // where a working is that of all mappings of its kind: with this one's names
  const { detailed, local } = model.data, kind = !detailed && local && local.kinds[local.kindOf[box.number]];
  const made = kind && put(kind.forward, "symbols", box.inputs.map((input) => input.symbol), box.symbol);
  return made ? made.mathml : null;
}

function ownSlope(model, box, at, general) {
  if (model.data.detailed || box.inputs[at].source === null) return general;
  const use = useOf(model, { box: box.number, at }, box.inputs[at].symbol, edgesOf(model));
  const sizes = [box, ...box.inputs.map((input) => (input.source === null ? null : model.boxes[input.source]))];
  if (!use.single || sizes.some((one) => one && one.shape.length)) return use.statement ? { ...general, statement: use.statement } : general;
  const forms = (name, form) => (form ? { [name]: form.text, [name + "_mathml"]: form.mathml } : {});
  return { ...forms("symbolic", use.symbolic), ...forms("substituted", use.half), number: use.slope };
}

function backwardOf(model, box, working, upstream) {
  const { strings } = model.data;
  const entries = [];
  (box.inputs || []).forEach((input, at) => {
    if (input.product === undefined) return;
    const local = ownSlope(model, box, at, working.locals[at] || {});
    const slope = partial(box.symbol, input.symbol);
    const chain = [slope];
    if (local.symbolic !== undefined) chain.push(local.symbolic);
    if (local.substituted !== undefined && local.substituted !== local.symbolic) chain.push(local.substituted);
    if (local.number !== undefined && chain[chain.length - 1] !== six(local.number)) chain.push(six(local.number));
    const entry = { name: `${upstream} · ${slope}`, value: input.product, role: "product" + at, result: true, box: input.source };
    if (chain.length > 1) entry.before = { text: chain.join(" = "), mathml: local.symbolic_mathml, slope, local };
    if (local.number !== undefined)
      entry.detail = `${shortNumber(box.gradient)} · ${shortNumber(local.number)}`;
    if (local.statement) entry.statement = local.statement;
    if (local.pullback) entry.pullback = { text: local.pullback, mathml: local.pullback_mathml };
    entry.goes = fill(strings.goes, { symbol: input.symbol });
    entries.push(entry);
  });
  if (!entries.length) entries.push({ name: strings.nothingBack });
  return { name: strings.backward, kind: "gradient", entries };
}

function accountText(made, strings) {
  const out = [made.title, made.lead, ""];
  for (const [name, ...values] of made.facts) out.push(`${name}: ${values.join("  ")}`);
  for (const section of made.sections) {
    out.push("", section.name);
    for (const local of section.local || []) out.push(...localText(local, strings), ...localArrays(local, strings));
    for (const entry of section.entries) {
      if (entry.before) out.push("  " + entry.before.text);
      if (entry.statement) out.push("  " + entry.statement);
      if (entry.pullback) out.push(`  ${strings.rule}: ${entry.pullback.text}`);
      const detail = entry.detail ? entry.detail + " = " : "";
      const value = "value" in entry ? ": " + detail + valueWords(entry.value, strings) : "";
      out.push("  " + entry.name + value + (entry.goes ? "  → " + entry.goes : ""));
    }
  }
  return out.join("\n");
}
