// Moving about in the drawing: by mouse, by touch, and by the arrow keys from box to box.

function makeCanvas(stage, svg) {
  const layer = document.createElementNS("http://www.w3.org/2000/svg", "g");
  let view = { x: 0, y: 0, scale: 1 }, size = { width: 1, height: 1 }, dragged = false;
  svg.append(layer);
  const apply = () => layer.setAttribute("transform", `translate(${view.x} ${view.y}) scale(${view.scale})`);
  const zoomAt = (factor, x, y) => {
    const scale = Math.min(4, Math.max(0.08, view.scale * factor));
    view = { x: x - ((x - view.x) * scale) / view.scale, y: y - ((y - view.y) * scale) / view.scale, scale };
    apply();
  };
  svg.addEventListener("wheel", (event) => {
    event.preventDefault();
    const area = svg.getBoundingClientRect();
    if (event.ctrlKey || event.metaKey) zoomAt(Math.exp(-event.deltaY / 200), event.clientX - area.left, event.clientY - area.top);
    else {
      view = { ...view, x: view.x - event.deltaX, y: view.y - event.deltaY };
      apply();
    }
  }, { passive: false });
  svg.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    const start = { x: event.clientX - view.x, y: event.clientY - view.y, fromX: event.clientX, fromY: event.clientY };
    dragged = false;
    const move = (to) => {
      if (Math.hypot(to.clientX - start.fromX, to.clientY - start.fromY) > 4) dragged = true;
      if (!dragged) return;
      view = { ...view, x: to.clientX - start.x, y: to.clientY - start.y };
      apply();
    };
    const end = () => {
      window.removeEventListener("pointermove", move);
      window.removeEventListener("pointerup", end);
    };
    window.addEventListener("pointermove", move);
    window.addEventListener("pointerup", end);
  });
  return {
    layer,
    get dragged() { return dragged; },
    area: () => stage.getBoundingClientRect(),
    fit(made) {
      size = { width: Math.max(1, made.width), height: Math.max(1, made.height) };
      const area = stage.getBoundingClientRect();
      const scale = Math.min(1.35, (area.width - 16) / size.width, (area.height - 16) / size.height);
      // where everything would be too small to read, begin at the start of the computation
      const readable = Math.max(scale, 0.55);
      const start = made.items.reduce((a, b) => (made.rankdir === "TB" ? b.y < a.y : b.x < a.x) ? b : a, made.items[0] || { x: 0, y: 0 });
      const along = (length, space, from) =>
        length * readable <= space ? (space - length * readable) / 2 : Math.min(8, Math.max(space - 8 - length * readable, space / 2 - from * readable));
      view = { x: along(size.width, area.width, start.x), y: along(size.height, area.height, start.y), scale: readable };
      apply();
    },
    zoom(factor) {
      const area = stage.getBoundingClientRect();
      zoomAt(factor, area.width / 2, area.height / 2);
    },
    keepPlace(before, after) {
      // after folding, what was clicked stays where it was
      view = { ...view, x: view.x + (before.x - after.x) * view.scale, y: view.y + (before.y - after.y) * view.scale };
      apply();
    },
    reveal(item) {
      const area = stage.getBoundingClientRect(), margin = 40;
      const left = view.x + (item.x - item.width / 2) * view.scale, right = left + item.width * view.scale;
      const top = view.y + (item.y - item.height / 2) * view.scale, bottom = top + item.height * view.scale;
      let { x, y } = view;
      if (left < margin) x += margin - left;
      else if (right > area.width - margin) x -= right - area.width + margin;
      if (top < margin) y += margin - top;
      else if (bottom > area.height - margin) y -= bottom - area.height + margin;
      view = { ...view, x, y };
      apply();
    },
  };
}

function makeMeasure() {
  // the width of a text as this browser writes it
  const context = document.createElement("canvas").getContext("2d"), known = new Map();
  const style = getComputedStyle(document.documentElement);
  const fonts = { sans: style.getPropertyValue("--sans"), mono: style.getPropertyValue("--mono") };
  return (text, size, mono, bold) => {
    const key = `${bold ? 600 : 400} ${size}px ${mono ? fonts.mono : fonts.sans}`;
    const whole = key + text;
    if (!known.has(whole)) {
      context.font = key;
      known.set(whole, context.measureText(text).width);
    }
    return known.get(whole);
  };
}

function neighbour(places, from, key) {
  // the nearest place in the direction of an arrow key, sideways distance counting double
  const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
  let best = null, least = Infinity;
  for (const place of places) {
    const x = place.x - from.x, y = place.y - from.y;
    const along = x * dx + y * dy, aside = Math.abs(x * dy) + Math.abs(y * dx);
    if (along < 4) continue;
    const distance = along + 2 * aside;
    if (distance < least) [best, least] = [place, distance];
  }
  return best;
}
