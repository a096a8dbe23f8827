// The local receipt of a box: the mappings that read its value, what each sends back, and the sum.
// Names and numbers are put into formulas that the engine wrote; nothing is calculated here.

const OUTPUT_MARK = 0x7f, GUARDED = 0x100;

function six(x) {
  // a number in six digits, as the library writes it
  if (typeof x === "boolean") return x ? "1" : "0";
  if (typeof x !== "number") return oddNumber(x);
  if (x === 0) return "0";
  const [mantissa, power] = Math.abs(x).toExponential(5).split("e"), exponent = Number(power);
  const strip = (text) => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);
  const text = exponent < -4 || exponent >= 6 ? strip(mantissa) + "e" + exponent : strip(Number(mantissa + "e" + power).toFixed(5 - exponent));
  return (x < 0 ? "−" : "") + text;
}

function allDigits(x) {
  // a number in as many digits as tell it from all others of its dtype
  if (typeof x !== "number") return oddNumber(x);
  return String(Object.is(x, -0) ? 0 : x).replace("e+", "e").replace(/^-/, "−");
}

function oddNumber(x) {
  return x === null || x === undefined ? "–" : { nan: "NaN", inf: "∞", "-inf": "−∞" }[x] || String(x);
}

const asFactor = (x) => (six(x).startsWith("−") ? `(${six(x)})` : six(x));

function putText(text, values, output) {
  return text.replace(/[\ue000-\ue1ff]/g, (mark) => {
    const place = mark.charCodeAt(0) - 0xe000, shown = (place & 0xff) === OUTPUT_MARK ? output : values[place & 0xff];
    return place >= GUARDED && shown.startsWith("−") ? `(${shown})` : shown;
  });
}

function putMathml(text, values, output) {
  const escaped = (shown) => shown.replace(/[&<>]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[c]);
  return text.replace(/<(m[in])>([\ue000-\ue1ff])<\/m[in]>/g, (_, kind, mark) => {
    const place = mark.charCodeAt(0) - 0xe000, shown = (place & 0xff) === OUTPUT_MARK ? output : values[place & 0xff];
    if (!shown.startsWith("−")) return `<${kind}>${escaped(shown)}</${kind}>`;
    const inside = `<mrow><mo>−</mo><mn>${escaped(shown.slice(1))}</mn></mrow>`;
    return place >= GUARDED ? `<mrow><mo>(</mo>${inside}<mo>)</mo></mrow>` : inside;
  });
}

function put(pattern, kind, values, output) {
  // a formula with these names, or numbers, in both of its forms
  if (!pattern || !pattern[kind]) return null;
  return { text: putText(pattern[kind], values, output), mathml: putMathml(pattern[kind + "_mathml"], values, output) };
}

function edgesOf(model) {
  if (!model.firstEdge) {
    model.firstEdge = [];
    let count = 0;
    for (const box of model.boxes) {
      model.firstEdge.push(count);
      count += (box.inputs || []).length;
    }
  }
  return model.firstEdge;
}

function localReceipts(model, number) {
  // the account of each output of a box
  const { local } = model.data, box = model.boxes[number];
  if (!local) return [];
  const several = Array.isArray(box.value), rest = local.parts[number] || [];
  const whole = [{ total: local.totals[number], ...local.boxes[number] }, ...rest];
  return whole.map((facts, part) => {
    const given = several ? box.gradient[part] : box.gradient;
    const known = facts.total !== null && facts.total !== undefined;
    const gradient = !known ? null : facts.gradient !== undefined ? facts.gradient : given === null ? 0 : given;
    const symbol = facts.element || box.symbol;
    const reason = facts.reason === undefined ? null : local.reasons[facts.reason];
    const name = several ? symbol.replace(/\[[^\]]*\]$/, "") : box.symbol;
    return { ...facts, part, symbol, name, whole: given, gradient, empty: box.shape.includes(0), reason, isRoot: number === model.data.root, loss: model.data.loss, dtype: box.dtype,
      agrees: facts.agrees !== undefined ? facts.agrees : true, exact: facts.agrees === undefined, uses: usesOf(model, box, part, symbol, facts) };
  });
}

function usesOf(model, box, part, symbol, facts) {
  const { local } = model.data, first = edgesOf(model);
  const readers = new Map(); // the last mapping first, as the engine goes
  for (const reader of model.readers[box.number]) {
    const input = model.boxes[reader.box].inputs[reader.at];
    if ((input.part || 0) !== part || local.verdicts[first[reader.box] + reader.at] === ".") continue;
    readers.set(reader.box, [...(readers.get(reader.box) || []), reader]);
  }
  const all = [...readers.keys()].sort((a, b) => b - a).flatMap((number) => readers.get(number));
  const shown = facts.shown && new Set(facts.shown);
  return all.filter((reader) => !shown || shown.has(first[reader.box] + reader.at)).map((reader) => useOf(model, reader, symbol, first));
}

function useOf(model, reader, symbol, first) {
  const { local } = model.data, to = model.boxes[reader.box], input = to.inputs[reader.at], edge = first[reader.box] + reader.at;
  const more = local.more[edge] || {}, kind = local.kinds[local.kindOf[reader.box]];
  const slope = local.slopes[edge], single = slope !== null;
  const pointwise = single && (more.names !== undefined || more.output === undefined);
  const output = single && more.output !== undefined ? more.output : to.symbol;
  const value = !single ? null : more.value !== undefined ? more.value : to.value;
  const plainNames = to.inputs.map((one) => one.symbol);
  const names = pointwise && more.names ? more.names : plainNames;
  const numbers = !pointwise ? null : (more.numbers || to.inputs.map((one) => (one.source === null ? one.value : numberOf(model.boxes[one.source], one.part)))).map(six);
  const derivative = pointwise ? (more.zero && kind.cases[reader.at]) || kind.locals[reader.at] : null;
  return {
    box: reader.box, mapping: to.mapping, output, input: symbol, value, slope, single,
    formula: put(kind.forward, "symbols", names, output),
    substituted: pointwise ? put(kind.forward, "numbers", numbers, six(value)) : null,
    symbolic: put(derivative, "symbols", names, output),
    half: pointwise ? put(derivative, "numbers", numbers, six(value)) : null,
    incoming: !single ? null : more.incoming !== undefined ? more.incoming : to.gradient === null ? 0 : to.gradient,
    product: more.product !== undefined ? more.product : input.product === undefined ? 0 : input.product,
    whole: more.product !== undefined && input.product !== undefined ? input.product : null,
    terms: more.terms || [], omitted: more.terms ? more.count - more.terms.length : 0,
    statement: more.statement === undefined ? null : putText(local.statements[more.statement], plainNames, to.symbol),
    verdict: VERDICTS[Number(local.verdicts[edge])], numeric: local.numeric[edge], kink: more.kink || "", dtype: to.dtype,
  };
}

const VERDICTS = ["agrees", "rounding", "kink", "differs", "not finite", "refused", "too large"];

function numberOf(box, part) {
  return Array.isArray(box.value) ? box.value[part || 0] : box.value;
}

// ------------------------------------------------------------------------------------------- as text

function chainOfSlopes(use) {
  // ∂y/∂x in symbols, half-substituted, in numbers; each only where it says something new
  const chain = [];
  for (const step of [use.symbolic, use.half, { text: six(use.slope) }])
    if (step && (!chain.length || chain[chain.length - 1].text !== step.text)) chain.push(step);
  return chain;
}

function forwardChain(use) {
  const chain = use.formula ? [use.formula] : [];
  if (use.substituted && use.substituted.text !== six(use.value)) chain.push(use.substituted);
  if (use.value !== null && use.value !== undefined) chain.push({ text: six(use.value) });
  return chain;
}

function checkWords(use, strings) {
  const key = "local_check_" + use.verdict.replace(" ", "_");
  return fill(strings[key], { numeric: six(use.numeric), mapping: use.mapping, dtype: use.dtype, kink: use.kink });
}

function sumWords(made, strings) {
  if (made.isRoot) return fill(strings.local_root, { gradient: allDigits(made.gradient) });
  const key = made.exact ? "local_sum" : made.agrees ? "local_sum_rounded" : "local_sum_wrong";
  return fill(strings[key], { total: allDigits(made.total), gradient: allDigits(made.before === undefined ? made.gradient : made.before) });
}

function missingWords(made, strings) {
  return fill(made.empty ? strings.local_empty : strings.local_missing, { name: partial(made.loss, made.symbol) });
}

function localText(made, strings) {
  const out = [];
  if (made.gradient === null) out.push(missingWords(made, strings));
  else out.push(`${partial(made.loss, made.symbol)} = ${six(made.gradient)}`);
  if (made.reason) out.push(fill(strings.local_reason, made.reason));
  if (made.before !== undefined) out.push(fill(strings.local_hook, { before: six(made.before), after: six(made.gradient) }));
  if (made.gradient === null) return out;
  if (made.uses.length) out.push(fill(strings.local_uses, { x: made.symbol }));
  made.uses.forEach((use, i) => {
    out.push(`  ${i + 1}. ${[use.output, ...forwardChain(use).map((step) => step.text)].join(" = ")}`);
    if (use.statement) out.push("     " + use.statement);
    if (use.single) {
      out.push("     " + [partial(use.output, use.input), ...chainOfSlopes(use).map((step) => step.text)].join(" = "));
      out.push("     " + checkWords(use, strings));
      out.push(`     ${partial(made.loss, use.output)} · ${partial(use.output, use.input)} = ${asFactor(use.incoming)} · ${asFactor(use.slope)} = ${six(use.product)}`);
    } else {
      for (const line of termLines(made, use)) out.push("     " + line.text);
      if (use.omitted) out.push("     " + fill(strings.local_terms_more, { count: use.omitted }));
      out.push("     " + fill(strings.local_sends, { mapping: use.mapping, product: six(use.product) }));
      out.push("     " + checkWords(use, strings));
    }
  });
  if (made.omitted) out.push("  " + fill(strings.local_omitted, { count: made.omitted, total: six(made.omittedTotal) }));
  out.push(sumWords(made, strings));
  return out;
}

function localArrays(made, strings) {
  // the arrays that the page shows as tables
  const tables = [[partial(made.loss, made.name), made.whole], ...made.uses.map((use) => [strings.local_part + " " + use.mapping, made.uses.length > 1 ? use.whole : null])];
  return tables.filter(([, value]) => value !== null && typeof value === "object").map(([name, value]) => `  ${name}: ${valueWords(value, strings)}`);
}

function termLines(made, use) {
  return use.terms.map(([output, slope, incoming, product]) => ({
    text: `${partial(made.loss, output)} · ${partial(output, use.input)} = ${asFactor(incoming)} · ${asFactor(slope)} = ${six(product)}`,
  }));
}

// ------------------------------------------------------------------------------------------ as a page

function localSection(model, number, links, actions) {
  const { strings } = model.data;
  const part = make("section", { class: "gradient local" }, make("h3", {}, strings.arrives));
  const box = model.boxes[number];
  localReceipts(model, number).forEach((made) => {
    const name = partial(made.loss, made.name), role = Array.isArray(box.value) ? "gradient." + made.part : "gradient";
    const line = make("div", { class: "entry result" }, make("span", { class: "name" }, name));
    if (made.gradient === null) line.replaceChildren(make("span", { class: "name" }, missingWords(made, strings)));
    else if (made.whole !== null && typeof made.whole === "object") line.append(valueOf({ name, value: made.whole, role }, model, links, actions));
    else line.append(make("span", { class: "number" }, six(made.gradient)));
    part.append(line);
    if (made.reason) part.append(reasonOf(made, model, actions));
    if (made.before !== undefined) part.append(make("p", { class: "quiet" }, fill(strings.local_hook, { before: six(made.before), after: six(made.gradient) })));
    if (made.gradient === null) return;
    if (made.symbol !== made.name && (made.uses.length || made.isRoot))
      part.append(make("p", { class: "formula quiet" }, fill(strings.local_element, { element: made.symbol, gradient: six(made.gradient) })));
    made.uses.forEach((use) => part.append(useBlock(made, use, model, links, actions)));
    if (made.omitted) part.append(make("p", { class: "quiet" }, fill(strings.local_omitted, { count: made.omitted, total: six(made.omittedTotal) })));
    part.append(make("p", { class: "sum" + (made.agrees ? "" : " wrong"), "data-sum": made.symbol }, sumWords(made, strings)));
  });
  return part;
}

function reasonOf(made, model, actions) {
  const { strings } = model.data;
  const line = make("p", { class: "reason" }, fill(strings.local_reason, made.reason));
  if (made.downstream !== undefined)
    line.append(" ", make("button", { type: "button", class: "link", onclick: () => actions.select(made.downstream) },
      fill(strings.local_downstream, { symbol: model.boxes[made.downstream].symbol })));
  return line;
}

function useBlock(made, use, model, links, actions) {
  const { strings } = model.data;
  const go = (label, hint) => make("button", { type: "button", class: "link", title: hint, onclick: () => actions.select(use.box) }, label);
  const block = make("div", { class: "use" });
  const head = make("p", { class: "formula" }, go(use.output, strings.local_go));
  appendChain(head, forwardChain(use));
  block.append(head);
  if (use.statement) block.append(make("p", { class: "formula" }, use.statement));
  if (use.single) {
    const line = make("p", { class: "formula" }, partial(use.output, use.input));
    appendChain(line, chainOfSlopes(use));
    block.append(line);
    block.append(make("p", { class: "product" }, go(partial(made.loss, use.output), strings.local_go), ` · ${partial(use.output, use.input)} = ${asFactor(use.incoming)} · ${asFactor(use.slope)} = `,
      make("span", { class: "number" }, six(use.product))));
  } else {
    for (const line of termLines(made, use)) block.append(make("p", { class: "product" }, line.text));
    if (use.omitted) block.append(make("p", { class: "product quiet" }, fill(strings.local_terms_more, { count: use.omitted })));
    block.append(make("p", { class: "product" }, go(fill(strings.local_sends, { mapping: use.mapping, product: "" }).trim(), strings.local_go), " ",
      make("span", { class: "number" }, six(use.product))));
  }
  block.append(make("p", { class: "check " + use.verdict.replace(" ", "-") }, checkWords(use, strings)));
  if (use.whole !== null && typeof use.whole === "object" && made.uses.length > 1)
    block.append(make("p", { class: "quiet" }, strings.local_part + " " + use.mapping), valueOf({ name: use.output, value: use.whole, role: "" }, model, links, actions));
  return block;
}

function appendChain(line, chain) {
  for (const step of chain) line.append(" = ", step.mathml ? mathml(step.mathml) : step.text);
  line.setAttribute("aria-label", line.firstChild.textContent + " = " + chain.map((step) => step.text).join(" = "));
}
