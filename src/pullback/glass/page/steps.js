// Going through the computation one mapping at a time: forward in its order, then back in reverse.

function makeSteps(model) {
  const { order, readers, data } = model;
  const count = order.length, total = data.gradients ? 2 * count : count;
  const forwardAt = new Map(order.map((number, i) => [number, i + 1])); // known from this position on
  const backwardAt = new Map(order.map((number, i) => [number, 2 * count - i])); // its pullback has run
  const gradientAt = model.boxes.map((box, number) => {
    // known when all that read it have been pulled back
    const from = readers[number].map((reader) => backwardAt.get(reader.box));
    return Math.max(count + 1, ...from);
  });
  return {
    total,
    count,
    at(position) {
      // which mapping the step that leads to a position is about
      if (position < 1 || position > total) return null;
      const back = position > count;
      return { number: back ? order[2 * count - position] : order[position - 1], back };
    },
    knowsValue: (number, position) => !forwardAt.has(number) || forwardAt.get(number) <= position,
    knowsGradient: (number, position) => gradientAt[number] <= position,
    knowsProduct: (number, position) => backwardAt.get(number) <= position,
    forwardAt: (number) => forwardAt.get(number),
    stop(position, direction, breakpoints) {
      // the next position, or the next at which a breakpoint lies
      let next = position + direction;
      if (breakpoints)
        while (next > 0 && next < total && !breakpoints.has(this.at(next).number)) next += direction;
      return Math.min(total, Math.max(0, next));
    },
  };
}

function stepWords(model, steps, position) {
  const { strings } = model.data;
  const now = steps.at(position);
  if (position === 0) return strings.atStart;
  const box = model.boxes[now.number];
  const facts = { step: position, total: steps.total, title: box.title, value: box.valueText || "", symbol: box.symbol };
  if (!now.back) return fill(strings.stepForward, facts);
  const sent = box.inputs.filter((input) => input.productText !== undefined)
    .map((input) => `${partial(model.data.loss, input.symbol)} ← ${input.productText}`);
  return fill(strings.stepBack, { ...facts, gradient: box.gradientText || "0", sent: sent.join(", ") || strings.nothingBack });
}
