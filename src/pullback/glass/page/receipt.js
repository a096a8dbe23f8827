// The panel: the account of the selected box, as a page and as text.

function mathml(markup) {
  // formulas come from the library, escaped; nothing but MathML elements is let in
  const holder = new DOMParser().parseFromString(`<body>${markup}</body>`, "text/html").body;
  const allowed = /^(math|mrow|mi|mn|mo|mtext|msup|msub|munder|mover|mfrac|msqrt|mroot|mspace|msubsup|mtable|mtr|mtd)$/;
  const safe = [...holder.querySelectorAll("*")].every(
    (element) => allowed.test(element.localName) && [...element.attributes].every(({ name }) => /^(alttext|display|accent|stretchy|width)$/.test(name))
  );
  return safe && holder.firstElementChild ? document.importNode(holder.firstElementChild, true) : document.createTextNode(holder.textContent);
}

function receiptPanel(model, number, actions) {
  const { strings } = model.data, box = model.boxes[number];
  const made = account(model, number);
  const root = make("div", { class: "receipt" });
  (box.inputs || []).forEach((input) => {
    input.shapeHere = input.source === null ? [] : model.boxes[input.source].shape;
  });
  const links = elementLinks(box, root, model, (box.inputs || []).map((input) => input.symbol));
  const title = make("h2", { id: "receipt-title" });
  if (made.mathml) title.append(make("span", {}, box.symbol + " = "), mathml(made.mathml));
  else title.append(made.title);
  root.append(title, make("p", { class: "lead" }, made.lead));
  const list = make("dl", {});
  for (const [name, value, code] of made.facts)
    list.append(make("dt", {}, name), make("dd", {}, value, code ? make("code", {}, code) : null));
  root.append(list);
  for (const section of made.sections)
    root.append(section.local ? localSection(model, number, links, actions) : sectionOf(section, model, links, actions));
  if (links.known || links.views.length) root.append(links.note);
  if (actions.edit) root.append(editingNote(model, number, actions));
  root.append(buttonsOf(model, number, actions));
  const text = accountText(made, strings);
  root.append(
    make("details", { class: "as-text" }, make("summary", {}, strings.asText), make("pre", { tabindex: 0 }, text),
      make("button", { type: "button", onclick: (event) => copy(text, event.target, strings) }, strings.copy))
  );
  root.append(fullReceipt(model, number, root, actions));
  return root;
}

function sectionOf(section, model, links, actions) {
  const { strings } = model.data;
  const part = make("section", { class: section.kind }, make("h3", {}, section.name));
  for (const entry of section.entries) {
    const line = make("div", { class: "entry" + (entry.result ? " result" : "") });
    if (entry.before) line.append(slopeLine(entry.before));
    if (entry.statement) line.append(make("p", { class: "formula" }, entry.statement));
    if (entry.pullback)
      line.append(make("p", { class: "formula quiet" }, strings.rule + ": ", mathml(entry.pullback.mathml)));
    const name = make("span", { class: "name" }, entry.name);
    if (entry.box !== undefined && entry.box !== null)
      name.replaceChildren(make("button", { type: "button", class: "link", onclick: () => actions.select(entry.box) }, entry.name));
    line.append(name);
    if ("value" in entry) line.append(valueOf(entry, model, links, actions));
    part.append(line);
  }
  return part;
}

function slopeLine({ slope, local, text }) {
  const line = make("p", { class: "formula" }, slope);
  if (local.symbolic_mathml) line.append(" = ", mathml(local.symbolic_mathml));
  if (local.substituted_mathml && local.substituted !== local.symbolic) line.append(" = ", mathml(local.substituted_mathml));
  if (local.number !== undefined && ![local.symbolic, local.substituted].includes(six(local.number)))
    line.append(" = " + six(local.number));
  line.setAttribute("aria-label", text);
  return line;
}

function valueOf(entry, model, links, actions) {
  const { strings } = model.data, { value } = entry;
  if (value === null || value === undefined) return make("span", { class: "number quiet" }, strings.unknown);
  const whose = entry.role === "out" ? model.boxes[actions.current()] : model.boxes[entry.box];
  const free = actions.edit && whose && editable(whose) && /^(out|in\d+)$/.test(entry.role || "");
  const edit = free ? (flat, typed) => actions.edit(whose.number, flat, typed) : null;
  if (Array.isArray(value))
    return make("div", {}, ...value.map((part, i) => valueOf({ ...entry, value: part, role: entry.role + "." + i }, model, links, actions)));
  if (typeof value === "object") {
    const table = matrixTable(value, { label: entry.role === "out" ? model.boxes[actions.current()].symbol : entry.name, role: entry.role || "", links, strings, edit });
    return edit && !value.whole ? make("div", {}, table, elementForm(whose, strings, edit)) : table;
  }
  const shown = make("span", { class: "number" }, (entry.detail ? entry.detail + " = " : "") + shortNumber(value));
  if (!edit) return shown;
  const field = make("input", {
    class: "free", value: String(value), size: 10, inputmode: "decimal", spellcheck: "false",
    "aria-label": `${whose.symbol}: ${strings.newValue}`, "data-edit": whose.number,
    onkeydown: (event) => {
      event.stopPropagation();
      const typed = Number(event.target.value.replace("−", "-"));
      if (event.key === "Enter" && event.target.value.trim() !== "" && Number.isFinite(typed)) edit(0, typed);
      if (event.key === "Escape") event.target.value = String(value);
    },
  });
  return field;
}

function editable(box) {
  // what the program is given: its leaves, and the constants that it has a name for
  return box.kind === "leaf" || (box.kind === "constant" && box.named);
}

function elementForm(box, strings, edit) {
  // any element of an array that is too large to show: which one, and its new value
  const where = make("input", { class: "free", size: 10, spellcheck: "false", "aria-label": `${box.symbol}: ${strings.element}`, placeholder: indexText(box.shape, 0) });
  const value = make("input", { class: "free", size: 10, inputmode: "decimal", spellcheck: "false", "aria-label": `${box.symbol}: ${strings.newValue}` });
  const form = make("form", { class: "element", onsubmit: (event) => {
    event.preventDefault();
    const flat = flatIndex(where.value, box.shape), typed = Number(value.value.replace("−", "-"));
    where.setCustomValidity(flat === null ? fill(strings.noElement, { text: where.value, shape: box.shape.join("×") }) : "");
    if (form.reportValidity() && value.value.trim() !== "" && Number.isFinite(typed)) edit(flat, typed);
  } }, box.symbol, where, " = ", value, make("button", {}, strings.set));
  where.addEventListener("input", () => where.setCustomValidity(""));
  form.addEventListener("keydown", (event) => event.stopPropagation());
  return form;
}

function editingNote(model, number, actions) {
  // what can be set here, or why nothing can
  const { strings } = model.data, box = model.boxes[number];
  if (editable(box)) return make("p", { class: "quiet" }, strings.mayEdit);
  if (box.kind === "constant") return make("p", { class: "quiet" }, strings.fixed);
  const made = sourcesOf(model, number).filter((source) => editable(model.boxes[source]));
  const named = made.slice(0, 6).flatMap((source, i) => [i ? ", " : " ",
    make("button", { type: "button", class: "link", onclick: () => actions.select(source) }, model.boxes[source].symbol)]);
  const rest = made.length > 6 ? fill(strings.more, { count: made.length - 6 }) : "";
  return make("p", { class: "quiet" }, strings.computed, ...named, rest);
}

function sourcesOf(model, number) {
  // the leaves and constants that a box is computed from
  const found = [], seen = new Set([number]), waiting = [number];
  while (waiting.length) {
    for (const { source } of model.boxes[waiting.pop()].inputs || []) {
      if (source === null || seen.has(source)) continue;
      seen.add(source);
      if (model.boxes[source].kind === "mapping") waiting.push(source);
      else found.push(source);
    }
  }
  return found.sort((a, b) => a - b);
}

function buttonsOf(model, number, actions) {
  const { strings } = model.data, box = model.boxes[number];
  const row = make("p", { class: "buttons" });
  if (box.kind === "mapping") {
    const pressed = actions.hasBreakpoint(number);
    row.append(
      make("button", { type: "button", "aria-pressed": String(pressed), id: "toggle-breakpoint", onclick: () => actions.toggleBreakpoint(number) }, strings.breakpoint),
      make("button", { type: "button", onclick: () => actions.goTo(number) }, strings.goHere)
    );
  }
  if (chainOf(model, number).length)
    row.append(make("button", { type: "button", onclick: () => actions.foldAround(number) }, strings.foldAround));
  return row;
}

function groupPanel(model, group, actions) {
  const { strings } = model.data;
  const count = fill(strings.mappings, { count: model.inside.get(group.number) });
  return make("div", { class: "receipt" }, make("h2", { id: "receipt-title" }, group.title), make("p", { class: "lead" }, count),
    make("p", { class: "buttons" }, make("button", { type: "button", onclick: () => actions.unfold(group.number) }, strings.unfold)));
}

function copy(text, button, strings) {
  const done = () => { button.textContent = strings.copied; };
  if (navigator.clipboard) navigator.clipboard.writeText(text).then(done, () => {});
}
