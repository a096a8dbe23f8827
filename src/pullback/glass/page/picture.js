// Larger arrays as pictures whose elements can be pointed at, by mouse, by touch and by the arrow keys.

const PICTURE = { tallest: 170, widest: 24, thinnest: 14, odd: { 255: "nan", 254: "inf", 0: "-inf" } };
const unpacked = new WeakMap(); // the bytes of pictures that were looked at

function unpack(picture) {
  if (!unpacked.has(picture)) {
    const packed = new Blob([bytesOf(picture.bytes)]).stream().pipeThrough(new DecompressionStream("deflate"));
    unpacked.set(picture, new Response(packed).arrayBuffer().then((buffer) => new Uint8Array(buffer)));
  }
  return unpacked.get(picture);
}

function pictureFigure(value, { label: entry, role, links, strings }) {
  const label = links.nameOf(role) || entry;
  const { shape } = value, picture = links.model.data.pictures[value.picture];
  const two = shape.length > 1 ? shape.slice(-2) : [1, shape[0]], leading = shape.slice(0, -2);
  const block = shape.length > 1 ? picture.block : [1, ...picture.block];
  const counts = [...leading, ...two].map((n, axis) => Math.ceil(n / block[axis]));
  const size = sizeOf(two, byId("panel").clientWidth);
  const state = { at: shape.map(() => 0), bytes: null, set: null, same: null, pointing: false };
  const values = make("canvas", { "aria-hidden": "true" }), marks = make("canvas", { "aria-hidden": "true", class: "marks" });
  const plate = make("div", {
    class: "plate", tabindex: 0, role: "application", "aria-roledescription": strings.picture, "data-role": role,
    "aria-label": fill(strings.pictureLabel, { label, range: valueWords(value, strings) }),
    style: `width:${size.width}px;aspect-ratio:${size.width}/${size.height}`,
  }, values, marks);
  const coarse = picture.block.some((b) => b > 1);
  const rounded = fill(coarse ? strings.pictureBlocks : strings.pictureRounded, { block: picture.block.join("×"), step: shortNumber(Number((picture.most / 252).toPrecision(1))) });
  const sliders = leading.map((n, axis) => slider(n, axis));
  const figure = make("figure", { class: "picture" }, ...sliders.filter((_, axis) => leading[axis] > 1).map(({ line }) => line), plate,
    make("figcaption", {}, make("span", { class: "quiet" }, valueWords(value, strings)),
      scaleOf(value, picture), make("span", { class: "quiet" }, rounded)));

  function slider(n, axis) {
    const field = make("input", { type: "range", min: 0, max: n - 1, value: 0, "aria-label": fill(strings.axis, { label, axis }), oninput: () => turnTo(axis, Number(field.value)) });
    const shown = make("output", {}, `0 / ${n - 1}`);
    return { field, shown, line: make("label", { class: "slice" }, fill(strings.axisShort, { axis }), field, shown) };
  }

  function turnTo(axis, i) {
    state.at[axis] = i;
    setSliders();
    draw();
    tell();
  }

  function setSliders() {
    sliders.forEach(({ field, shown }, axis) => {
      field.value = state.at[axis];
      shown.textContent = `${state.at[axis]} / ${leading[axis] - 1}`;
    });
  }

  const byteAt = (index) => {
    const place = shape.length > 1 ? index : [0, ...index];
    return state.bytes[place.reduce((flat, i, axis) => flat * counts[axis] + Math.floor(i / block[axis]), 0)];
  };
  const numberAt = (index) => {
    const byte = byteAt(index), odd = PICTURE.odd[byte];
    if (odd) return shortNumber(odd);
    const size = Math.abs(byte - 127);
    return shortNumber(Number((((byte - 127) / 126) * picture.most).toPrecision(size >= 100 ? 3 : size >= 10 ? 2 : 1)));
  };

  function draw() {
    // the slice that is looked at, a pixel for each byte
    if (!state.bytes) return;
    const [rows, columns] = counts.slice(-2), image = new ImageData(columns, rows), colours = palette();
    const before = leading.reduce((flat, n, axis) => flat * counts[axis] + Math.floor(state.at[axis] / block[axis]), 0) * rows * columns;
    for (let i = 0; i < rows * columns; i++) image.data.set(colours[state.bytes[before + i]], 4 * i);
    Object.assign(values, { width: columns, height: rows });
    values.style.width = `${(100 * columns * block[block.length - 1]) / two[1]}%`; // the last block may stick out
    values.style.height = `${(100 * rows * block[block.length - 2]) / two[0]}%`;
    values.getContext("2d").putImageData(image, 0, 0);
    values.dataset.drawn = "yes";
  }

  function indexAt(row, column) {
    return shape.length > 1 ? [...state.at.slice(0, -2), row, column] : [column];
  }

  function light(set, same) {
    // all but the elements that belong together is covered
    Object.assign(state, { set, same });
    if (same && !state.pointing && same.some((i, axis) => axis < leading.length && i !== state.at[axis])) return show(same);
    const ratio = window.devicePixelRatio || 1, area = plate.getBoundingClientRect();
    const width = Math.max(1, Math.round(area.width * ratio)), height = Math.max(1, Math.round(area.height * ratio));
    if (marks.width !== width || marks.height !== height) Object.assign(marks, { width, height });
    const pen = marks.getContext("2d"), style = getComputedStyle(document.documentElement);
    pen.clearRect(0, 0, width, height);
    delete marks.dataset.lit;
    const [rows, columns] = two, across = width / columns, down = height / rows;
    if (set) {
      const runs = [];
      for (let row = 0; row < rows; row++)
        for (let column = 0, from = -1; column <= columns; column++) {
          const lit = column < columns && set.has(indexAt(row, column));
          if (lit && from < 0) from = column;
          if (!lit && from >= 0) {
            runs.push([row, from, column]);
            from = -1;
          }
        }
      if (!runs.length && set.first && leading.some((_, axis) => set.first[axis] !== state.at[axis])) return show(set.first);
      paintRuns(pen, runs, { width, height, across, down, ratio, style });
      marks.dataset.lit = JSON.stringify(runs.slice(0, 4));
      marks.dataset.count = runs.reduce((count, [, from, to]) => count + to - from, 0);
    }
    if (same && same.slice(0, -2).every((i, axis) => i === state.at[axis])) ring(pen, same.length > 1 ? same.slice(-2) : [0, same[0]], { across, down, ratio, style });
  }

  function show(index) {
    // turn to the slice that an element is in
    const { set, same } = state;
    leading.forEach((_, axis) => { state.at[axis] = index[axis]; });
    setSliders();
    draw();
    light(set && set.first ? set : null, same);
  }

  function tell() {
    const where = `${label}[${state.at.join(", ")}]`;
    const number = state.bytes ? `${coarse ? strings.blockMean : ""} ≈ ${numberAt(state.at)}` : "";
    plate.dataset.at = state.at.join(",");
    state.pointing = true;
    links.point(role, [...state.at], where + number);
    if (!role) light(null, [...state.at]);
    state.pointing = false;
  }

  function leave() {
    links.clear();
  }

  let waiting = null;
  plate.addEventListener("pointermove", (event) => {
    const area = plate.getBoundingClientRect();
    const row = Math.min(two[0] - 1, Math.max(0, Math.floor(((event.clientY - area.top) / area.height) * two[0])));
    const column = Math.min(two[1] - 1, Math.max(0, Math.floor(((event.clientX - area.left) / area.width) * two[1])));
    state.at = indexAt(row, column);
    if (waiting) return;
    waiting = requestAnimationFrame(() => {
      waiting = null;
      tell();
    });
  });
  plate.addEventListener("pointerleave", () => {
    if (waiting) cancelAnimationFrame(waiting);
    waiting = null;
    leave();
  });
  plate.addEventListener("focus", tell);
  plate.addEventListener("blur", leave);
  plate.addEventListener("click", chosen);
  plate.addEventListener("keydown", (event) => {
    const far = event.shiftKey ? 10 : 1, last = shape.length - 1, n = shape[last];
    const move = (axis, by) => { if (axis >= 0) state.at[axis] = Math.min(shape[axis] - 1, Math.max(0, state.at[axis] + by)); };
    const pressed = {
      ArrowLeft: () => move(last, -far), ArrowRight: () => move(last, far), ArrowUp: () => move(last - 1, -far), ArrowDown: () => move(last - 1, far),
      Home: () => move(last, -n), End: () => move(last, n), PageUp: () => move(last - 2, -far), PageDown: () => move(last - 2, far), Enter: chosen,
    }[event.key];
    if (!pressed || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    pressed();
    if (leading.length && event.key.startsWith("Page")) turnTo(last - 2, state.at[last - 2]);
    else if (event.key !== "Enter") tell();
  });

  function chosen() {
    const field = figure.parentElement && figure.parentElement.querySelector("form.element input");
    if (field) field.value = `[${state.at.join(", ")}]`;
    figure.dispatchEvent(new CustomEvent("element", { bubbles: true, detail: { role, flat: flatOf(state.at, shape) } }));
  }

  figure.addEventListener("recolour", () => {
    draw();
    light(state.set, state.same);
  });
  links.views.push({ role, light });
  new IntersectionObserver((entries, observer) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    observer.disconnect();
    unpack(picture).then((bytes) => {
      state.bytes = bytes;
      draw();
      light(state.set, state.same);
    });
  }).observe(plate);
  return figure;
}

function scaleOf({ low, high }, { most }) {
  // which colour is which number; only the half that is in use
  const ends = [low < 0 ? shortNumber(-most) : "0", high > 0 ? shortNumber(most) : "0"];
  const half = low >= 0 ? "plus" : high <= 0 ? "minus" : "both";
  return make("span", { class: "scale", "aria-hidden": "true" }, ends[0], make("i", { class: half }), ends[1]);
}

function sizeOf([rows, columns], panel) {
  // the proportions of the shape, but nothing thinner than what can be pointed at
  const room = Math.max(180, Math.min(640, panel - 62));
  const scale = Math.min(room / columns, PICTURE.tallest / rows, PICTURE.widest);
  return { width: Math.max(PICTURE.thinnest, Math.round(columns * scale)), height: Math.max(PICTURE.thinnest, Math.round(rows * scale)) };
}

function paintRuns(pen, runs, { width, height, across, down, ratio, style }) {
  const least = 3 * ratio;
  const places = runs.map(([row, from, to]) => {
    const w = Math.max(least, (to - from) * across), h = Math.max(least, down);
    return [Math.min(width - w, Math.max(0, ((from + to) / 2) * across - w / 2)), Math.min(height - h, Math.max(0, (row + 0.5) * down - h / 2)), w, h];
  });
  pen.globalAlpha = 1;
  pen.fillStyle = style.getPropertyValue("--group").trim();
  for (const [x, y, w, h] of places) pen.fillRect(x - 1.5 * ratio, y - 1.5 * ratio, w + 3 * ratio, h + 3 * ratio); // an outline: what is left of this
  for (const [x, y, w, h] of places) pen.clearRect(x, y, w, h);
  pen.globalCompositeOperation = "destination-over";
  pen.globalAlpha = 0.62;
  pen.fillStyle = style.getPropertyValue("--surface").trim();
  const lit = new Path2D();
  lit.rect(0, 0, width, height);
  for (const [x, y, w, h] of places) lit.rect(x, y, w, h);
  if (places.length < 3000) pen.fill(lit, "evenodd");
  pen.globalCompositeOperation = "source-over";
  pen.globalAlpha = 1;
}

function ring(pen, [row, column], { across, down, ratio, style }) {
  const w = Math.max(7 * ratio, across), h = Math.max(7 * ratio, down);
  const x = (column + 0.5) * across - w / 2, y = (row + 0.5) * down - h / 2;
  for (const [colour, line] of [["--surface", 4.5], ["--ink", 2]]) {
    pen.strokeStyle = style.getPropertyValue(colour).trim();
    pen.lineWidth = line * ratio;
    pen.strokeRect(x, y, w, h);
  }
}

function palette() {
  // the colour of each byte: nothing at 0, and with the square root, so that small numbers show
  const style = getComputedStyle(document.documentElement);
  const [ground, plus, minus, odd] = ["--surface", "--plus", "--minus", "--stop"].map((name) => {
    const hex = style.getPropertyValue(name).trim().slice(1);
    return [0, 2, 4].map((i) => parseInt(hex.slice(i, i + 2), 16));
  });
  return Array.from({ length: 256 }, (_, byte) => {
    if (byte in PICTURE.odd) return [...odd, 255];
    const share = Math.sqrt(Math.abs(byte - 127) / 126), full = byte < 127 ? minus : plus;
    return [...ground.map((g, i) => Math.round(g + (full[i] - g) * share)), 255];
  });
}

window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  for (const figure of document.querySelectorAll("figure.picture")) figure.dispatchEvent(new Event("recolour"));
});
