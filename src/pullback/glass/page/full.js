// The receipt of one gradient as the library writes it: asked of the engine behind the page, or carried along.

const QUICK = 400;

function fullReceipt(model, number, root, actions) {
  const { strings } = model.data, box = model.boxes[number];
  const carried = Object.entries((model.data.receipts || {})[number] || {});
  const shown = make("pre", { tabindex: 0 }), note = make("p", { class: "quiet" });
  const asks = actions.ask && model.data.explained && box.kind !== "constant";
  const show = (text, why) => {
    shown.textContent = text;
    shown.hidden = !text;
    note.textContent = why;
    note.hidden = !why;
  };
  const choice = asks ? elementField(box, strings, (flat, part) => ask(flat, part)) : elementChoice(carried, strings, show);
  const details = make("details", { class: "full" }, make("summary", {}, fill(strings.fullReceipt, { symbol: box.symbol })), choice, note, shown);
  let latest = 0;
  async function ask(flat, part = 0) {
    const turn = ++latest;
    show("", strings.asking);
    const index = flat === null ? null : indexOf(box.shape, flat);
    try {
      const answer = await actions.ask("receipt", { box: number, part, index });
      if (turn === latest) show(answer.text, "");
    } catch (error) {
      if (turn === latest) show("", fill(strings.failed, { why: error.message }));
    }
  }
  const find = (flat, part) => {
    details.open = true;
    if (asks) return ask(flat, part);
    const at = carried.findIndex(([name]) => name === box.symbol + indexText(box.shape, flat));
    if (at < 0) return show("", notCarried(model, box));
    if (choice) choice.value = at;
    show(carried[at][1], "");
  };
  root.addEventListener("click", (event) => {
    // an element that is clicked shows its receipt
    const cell = event.target.closest("td[data-role^='out'], td[data-role^='gradient']");
    if (cell && !cell.querySelector("input")) find(Number(cell.dataset.flat), Number(cell.dataset.role.split(".")[1] || 0));
  });
  root.addEventListener("element", ({ detail: { role, flat } }) => {
    if (/^(out|gradient)/.test(role)) find(flat, Number(role.split(".")[1] || 0));
  });
  if (asks) details.addEventListener("toggle", () => { if (details.open && !latest) ask(null); });
  else if (carried.length) show(carried[0][1], "");
  else show("", notCarried(model, box));
  // asked of the engine only when somebody opens it where that takes its time: of a long way back
  details.open = asks ? box.kind === "leaf" && model.order.length <= QUICK : carried.length > 0 && box.kind === "leaf";
  return details;
}

function elementChoice(carried, strings, show) {
  if (carried.length < 2) return null;
  return make("select", { "aria-label": strings.element, onchange: (event) => show(carried[event.target.value][1], "") },
    ...carried.map(([name], i) => make("option", { value: i }, name)));
}

function elementField(box, strings, ask) {
  // which element: typed, or clicked in a table above
  if (!box.shape.length) return null;
  const field = make("input", { class: "free", size: 12, spellcheck: "false", "aria-label": `${box.symbol}: ${strings.element}`, placeholder: indexText(box.shape, 0) });
  const form = make("form", { class: "element", onsubmit: (event) => {
    event.preventDefault();
    const flat = flatIndex(field.value, box.shape);
    field.setCustomValidity(flat === null ? fill(strings.noElement, { text: field.value, shape: box.shape.join("×") }) : "");
    if (form.reportValidity()) ask(flat, 0);
  } }, strings.element + " ", field, make("button", {}, strings.show));
  field.addEventListener("input", () => field.setCustomValidity(""));
  form.addEventListener("keydown", (event) => event.stopPropagation());
  return form;
}

function notCarried(model, box) {
  // why there is none, and where there is one
  const { data } = model, { strings } = data;
  if (box.kind === "constant") return strings.notCarried_constant;
  if (!data.gradients) return strings.notCarried_none;
  if (!data.explained) return strings.notCarried_given;
  const carried = Object.values(data.receipts || {}).reduce((sum, of) => sum + Object.keys(of).length, 0);
  return fill(carried ? strings.notCarried_some : strings.notCarried_large, { count: carried || model.order.length, loss: data.loss });
}
