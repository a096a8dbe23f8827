// Small arrays as tables whose elements can be pointed at: what an element is made of lights up.

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

function indexOf(shape, flat) {
  const index = [];
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    index.unshift(flat % shape[axis]);
    flat = Math.floor(flat / shape[axis]);
  }
  return index;
}

function indexText(shape, flat) {
  return shape.length ? `[${indexOf(shape, flat).join(", ")}]` : "";
}

function flatIndex(text, shape) {
  // the element that somebody typed, such as [3, 20]; null for none of the array
  const parts = text.replace(/[[\]\s]/g, "").split(",").map((part) => (/^\d+$/.test(part) ? Number(part) : -1));
  if (parts.length !== shape.length || parts.some((part, axis) => part < 0 || part >= shape[axis])) return null;
  return parts.reduce((flat, part, axis) => flat * shape[axis] + part, 0);
}

function matrixTable(value, { label, role, links, strings, edit }) {
  // `links` is told which element is pointed at; `edit`, if given, what is typed
  if (value.picture !== undefined) return pictureFigure(value, { label, role, links, strings });
  const columns = value.shape[value.shape.length - 1]; // of a corner too, elements are counted in the whole array
  let most = 0;
  for (const row of value.rows) for (const x of row) if (Number.isFinite(x)) most = Math.max(most, Math.abs(x));
  const cellOf = (x, r, c) => {
    const flat = r * columns + c, share = most > 0 && Number.isFinite(x) ? Math.abs(x) / most : 0;
    const sign = Number.isFinite(x) ? (x < 0 ? "minus" : "plus") : "odd";
    const where = label + indexText(value.shape, flat);
    const cell = make("td", {
      class: "cell " + sign, tabindex: flat ? -1 : 0, "data-flat": flat, "data-role": role, style: `--share:${Math.round(100 * share) / 100}`,
      "aria-label": `${where} = ${shortNumber(x)}`,
    }, shortNumber(x));
    if (value.whole) {
      cell.addEventListener("pointerenter", () => links.point(role, indexOf(value.shape, flat), where));
      cell.addEventListener("focus", () => links.point(role, indexOf(value.shape, flat), where));
      cell.addEventListener("pointerleave", () => links.clear());
      cell.addEventListener("blur", () => links.clear());
    }
    if (edit) {
      cell.classList.add("editable");
      const start = () => startEdit(cell, x, (typed) => edit(flat, typed), strings);
      cell.addEventListener("dblclick", start);
      cell.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" || event.target !== cell) return;
        event.preventDefault();
        start();
      });
    }
    return cell;
  };
  const body = make("tbody", {}, ...value.rows.map((row, r) => make("tr", {}, ...row.map((x, c) => cellOf(x, r, c)))));
  const table = make("table", { class: "matrix", role: "grid", "aria-label": label }, body);
  table.addEventListener("keydown", (event) => moveInTable(event, table));
  links.views.push({ role, light: (set, same) => lightTable(table, value.shape, set, same) });
  if (value.whole) return table;
  return make("div", {}, table, make("p", { class: "quiet" }, strings.corner + " " + valueWords(value, strings)));
}

function lightTable(table, shape, set, same) {
  const at = same && flatOf(same, shape);
  for (const cell of table.querySelectorAll("td")) {
    const flat = Number(cell.dataset.flat);
    cell.classList.toggle("lit", Boolean(set && set.has(indexOf(shape, flat))));
    cell.classList.toggle("pointed", same !== null && flat === at);
  }
  const shown = set && table.querySelector("td.lit");
  if (shown && table.scrollWidth > table.clientWidth) table.scrollLeft = shown.offsetLeft - table.clientWidth / 2;
}

function moveInTable(event, table) {
  const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  const step = steps[event.key];
  if (!step || event.target.tagName !== "TD") return;
  event.preventDefault();
  event.stopPropagation();
  const rows = [...table.rows], at = event.target;
  const next = rows[at.parentElement.rowIndex + step[0]]?.cells[at.cellIndex + step[1]];
  if (!next) return;
  at.setAttribute("tabindex", -1); // Tab comes back to where one was
  next.setAttribute("tabindex", 0);
  next.focus();
}

function startEdit(cell, old, done, strings) {
  if (cell.querySelector("input")) return;
  const field = make("input", { value: String(old), "aria-label": strings.newValue, inputmode: "decimal", spellcheck: "false" });
  const finish = (keep) => {
    if (!field.isConnected) return;
    const typed = Number(field.value.replace("−", "-"));
    cell.replaceChildren(shortNumber(old));
    if (keep && field.value.trim() !== "" && Number.isFinite(typed) && typed !== old) done(typed);
    else cell.focus();
  };
  field.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "Enter") finish(true);
    if (event.key === "Escape") finish(false);
  });
  field.addEventListener("blur", () => finish(false));
  cell.replaceChildren(field);
  field.focus();
  field.select();
}
