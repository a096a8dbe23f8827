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
  const links = elementLinks(box, root, strings, (box.inputs || []).map((input) => input.symbol));
  const title = make("h2", { id: "receipt-title" });
  if (made.mathml) title.append(make("span", {}, box.symbol + " = "), mathml(made.mathml));
  else title.append(made.title);
  root.append(title, make("p", { class: "lead" }, made.lead));
  const list = make("dl", {});
  for (const [name, value, code] of made.facts)
    list.append(make("dt", {}, name), make("dd", {}, value, code ? make("code", {}, code) : null));
  root.append(list);
  for (const section of made.sections) root.append(sectionOf(section, model, links, actions));
  if (box.contributions) root.append(links.note);
  root.append(buttonsOf(model, number, actions));
  const text = accountText(made, strings);
  root.append(
    make("details", { class: "as-text" }, make("summary", {}, strings.asText), make("pre", { tabindex: 0 }, text),
      make("button", { type: "button", onclick: (event) => copy(text, event.target, strings) }, strings.copy))
  );
  const receipts = Object.entries((model.data.receipts || {})[number] || {});
  if (receipts.length) root.append(receiptOf(receipts, box, strings, root));
  return root;
}

function receiptOf(receipts, box, strings, root) {
  // the receipt of one gradient as the library writes it; of several elements, the one that is chosen
  const shown = make("pre", { tabindex: 0 }, receipts[0][1]);
  const choice = make("select", { "aria-label": strings.element, onchange: (event) => { shown.textContent = receipts[event.target.value][1]; } },
    ...receipts.map(([name], i) => make("option", { value: i }, name)));
  root.addEventListener("click", (event) => {
    // an element that is clicked shows its receipt
    const cell = event.target.closest("td[data-role='out'], td[data-role='gradient']");
    const at = cell ? receipts.findIndex(([name]) => name === box.symbol + indexText(box.shape, Number(cell.dataset.flat))) : -1;
    if (at < 0) return;
    choice.value = at;
    choice.dispatchEvent(new Event("change"));
    choice.closest("details").open = true;
  });
  const head = make("summary", {}, fill(strings.fullReceipt, { symbol: box.symbol }));
  return make("details", { class: "full", open: box.kind === "leaf" }, head, receipts.length > 1 ? choice : null, shown);
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
  if (local.number !== undefined && ![local.symbolic, local.substituted].includes(shortNumber(local.number)))
    line.append(" = " + shortNumber(local.number));
  line.setAttribute("aria-label", text);
  return line;
}

function valueOf(entry, model, links, actions) {
  const { strings } = model.data, { value } = entry;
  if (value === null || value === undefined) return make("span", { class: "number quiet" }, strings.unknown);
  const whose = entry.role === "out" ? model.boxes[actions.current()] : model.boxes[entry.box];
  const free = actions.edit && whose && whose.kind === "leaf" && /^(out|in\d+)$/.test(entry.role || "");
  const edit = free ? (flat, typed) => actions.edit(whose.number, flat, typed) : null;
  if (Array.isArray(value))
    return make("div", {}, ...value.map((part, i) => valueOf({ ...entry, value: part, role: entry.role + "." + i }, model, links, actions)));
  if (typeof value === "object")
    return matrixTable(value, { label: entry.role === "out" ? model.boxes[actions.current()].symbol : entry.name, role: entry.role || "", links, strings, edit });
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
