"""English: receipts and reasons."""

STRINGS: dict[str, str] = {
    "receipt.this_tensor": "this tensor",
    # finite differences
    "receipt.check.not_finite": "the element is not a finite number",
    "receipt.check.loss_not_finite": "the loss or its gradient is not a finite number",
    "receipt.check.switched_off": "switched off with check=False",
    "receipt.check.rounding": "but for the rounding of the dtype: in double precision the derivative is {exact}",
    # reasons: missing
    "receipt.reason.missing.integer": (
        "{name} has dtype {dtype}: between whole numbers there is nothing to move along, so there is no gradient"
    ),
    "receipt.reason.missing.constant": "{name} is a constant: it was made without requires_grad=True",
    "receipt.reason.missing.not on any path": (
        "nothing that the loss was computed from was computed from {name}. If you expected a path, let explain run "
        "the computation: pb.explain(lambda: …, {name}) tells whether detach() or no_grad() cut it off, and where"
    ),
    "receipt.reason.missing.not computed yet": (
        "no backward pass has run yet, so {name}.grad is None. That is not 0: call backward(), or "
        "pb.explain(loss, {name}) to see the gradient without it"
    ),
    "receipt.reason.cut.detached": (
        "the path to {name} ends at {what} ({place}), which passes the value on but no gradient"
    ),
    "receipt.reason.cut.detached.itself": "{name} was cut off from what it was computed from by {what} ({place})",
    "receipt.reason.cut.no_grad": "the path to {name} ends at {what} ({place}), computed inside no_grad()",
    "receipt.reason.cut.no_grad.itself": "{name} was computed inside no_grad() ({place})",
    "receipt.reason.cut.integer": (
        "the path to {name} ends at {what} ({place}), whose result is whole numbers or truth values"
    ),
    "receipt.reason.cut.integer.itself": "{name} is the result of {what} ({place}): whole numbers or truth values",
    # reasons: zero
    "receipt.reason.zero.not on any path": (
        "no result that the loss uses was made from the element {name}: it was not selected"
    ),
    "receipt.reason.zero.constant": (
        "{mapping} is constant but for its jumps, so its derivative is 0 everywhere ({place})"
    ),
    "receipt.reason.zero.mask off": "a mask is 0 here: {mapping} lets nothing through ({place})",
    "receipt.reason.zero.mask off.not_chosen": (
        "{mapping} chose another element here, which gets the gradient ({place})"
    ),
    "receipt.reason.zero.mask off.minus_infinity": (
        "the input of {mapping} is −∞ here, which masks the element ({place})"
    ),
    "receipt.reason.zero.saturated": "{mapping} is saturated: its input lies where the curve is flat ({place})",
    "receipt.reason.zero.dead unit": "{mapping} gives 0, and lets nothing through ({place})",
    "receipt.reason.zero.multiplied by zero": (
        "on its way back the gradient is multiplied by 0 in {mapping} ({place})"
    ),
    "receipt.reason.zero.multiplied by zero.hook": "a hook replaced the gradient by 0",
    "receipt.reason.zero.cancelled": (
        "the contributions of several paths cancel each other: their sum is 0, they are not"
    ),
    "receipt.reason.zero.underflow": (
        "the number is smaller than the dtype can hold, and became 0, in {mapping} ({place})"
    ),
    "receipt.reason.zero.kink": (
        "{mapping} has a kink here: on one side its slope is another than on the other, and {kink} ({place})"
    ),
    "receipt.reason.zero.at_kink": "{words}. It is exactly at its kink: {kink}",
    # reasons: NaN and infinity
    "receipt.reason.undefined.not finite forward.made": (
        "{mapping} makes {result} of {of} ({place}), and what follows is made of that"
    ),
    "receipt.reason.undefined.not finite forward.held": "{mapping} itself holds {result}",
    "receipt.reason.undefined.not finite backward.slope": "at {of} the slope of {mapping} is {slope} ({place})",
    "receipt.reason.undefined.not finite backward.zero_times": (
        "at {of} the slope of {mapping} is {slope}, and {product} has no value ({place})"
    ),
    "receipt.reason.undefined.not finite backward.overflow": (
        "{product} in {mapping} is larger than {dtype} can hold ({place})"
    ),
    "receipt.reason.undefined.not finite backward.hook": (
        "a hook replaced the gradient by a value that is not finite"
    ),
    "receipt.reason.undefined.not finite backward.sum": (
        "the sum of finite contributions is larger than the dtype can hold"
    ),
    "receipt.reason.undefined.then": "{words}; on the way on, {mapping} makes NaN of {product} ({place})",
    "receipt.reason.undefined.then_sum": "{words}; where contributions of ∞ and −∞ meet, their sum has no value",
    "receipt.reason.undefined.from_made": "{words}. The {result} in it was made by {mapping} ({place})",
    "receipt.reason.undefined.from_held": "{words}. The {result} in it is from {name}",
    # notes
    "receipt.note.hook": "a hook changed this gradient from {before} to {after}",
    # the codes of the reasons
    "receipt.code.not on any path": "not on any path",
    "receipt.code.constant": "constant",
    "receipt.code.detached": "detached",
    "receipt.code.no_grad": "no_grad",
    "receipt.code.integer": "integer",
    "receipt.code.mask off": "mask off",
    "receipt.code.saturated": "saturated",
    "receipt.code.dead unit": "dead unit",
    "receipt.code.multiplied by zero": "multiplied by zero",
    "receipt.code.cancelled": "cancelled",
    "receipt.code.underflow": "underflow",
    "receipt.code.kink": "kink",
    "receipt.code.not computed yet": "not computed yet",
    "receipt.code.not finite forward": "not finite, from the way forward",
    "receipt.code.not finite backward": "not finite, from the way back",
    # the account as text
    "receipt.text.separator": ",  ",
    "receipt.text.list": ", ",
    "receipt.text.missing": "{name}: there is no gradient",
    "receipt.text.meaning.up": "raise {x} a little and {loss} rises {times}; descent lowers {x}",
    "receipt.text.meaning.down": "raise {x} a little and {loss} falls {times}; descent raises {x}",
    "receipt.text.meaning.times": "{size} times as much",
    "receipt.text.meaning.once": "just as much",
    "receipt.text.meaning.undefined": "{loss} is {value}, which neither rises nor falls: this gradient is of no use",
    "receipt.text.meaning.flat": "move {x} a little and {loss} stays as it is",
    "receipt.text.meaning.kink": (
        "{loss} has a kink at {x}: its slope is {left} on the left and {right} on the right; {taken} is the choice made"
    ),
    "receipt.text.meaning.jump": (
        "{loss} jumps here, from {below} to {above}; the gradient sees the slope beside the jump, not the jump"
    ),
    "receipt.text.grad": "{name}.grad at present: {held}",
    "receipt.text.grad.none": "None (not computed yet, which is not 0)",
    "receipt.text.grad.nothing": (
        "None (no backward pass has run, or none brought anything here: then nothing is written)"
    ),
    "receipt.text.reason": "Why: {code} – {words}",
    "receipt.text.causes": "  met on the way: {met}",
    "receipt.text.array": "The whole array {name}: {shape}",
    "receipt.text.array.gradient": "gradient",
    "receipt.text.array.values": "values",
    "receipt.text.array.zeros": "{zeros} of {size} are 0",
    "receipt.text.array.largest": "the largest gradient is that of {element}",
    "receipt.text.few": "⋮ and {count} more, one for each time that it is used",
    "receipt.text.rows.paths": "Every path from the loss to {x}, its local derivatives, and their product",
    "receipt.text.rows.edges": "What is made of {x} directly: incoming gradient · local derivative",
    "receipt.text.rows.negative": "path 1 is negative because of {factors}",
    "receipt.text.rows.small": "path 1 is made small by {factor}",
    "receipt.text.rows.rest": "and {count} more, together {total}",
    "receipt.text.rows.rounding": "rounding to {dtype}, on the way and in adding up: {rounding}",
    "receipt.text.rows.total": "sum {total}   the engine's gradient {engine} {mark}",
    "receipt.text.steps": "The way back, from {loss} to {x}",
    "receipt.text.steps.omitted": "{count} further steps are not shown",
    "receipt.text.fold.repetition": "{name}  ×{times}",
    "receipt.text.fold.module": "{name}: {count} steps ({mappings})",
    "receipt.text.step.words": "{words}",
    "receipt.text.step.incoming": "arrives: {incoming}",
    "receipt.text.step.sum": "(the sum of {count} products)",
    "receipt.text.step.carries": "sends {name}: {product}",
    "receipt.text.step.hook": "(a hook)",
    "receipt.text.step.statement": "all elements:",
    "receipt.text.check.not": "Not checked by finite differences: {why}",
    "receipt.text.check.agrees": "Checked: moving {x} by ±{h} changes the loss at the rate {numeric} ✓",
    "receipt.text.check.differs": (
        "Finite differences disagree: moving {x} by ±{h} changes the loss at the rate {numeric}, not {engine} ✗"
    ),
    "receipt.text.check.kink": (
        "There is a kink within ±{h} of {x}, so finite differences ({numeric}) need not agree with {engine}"
    ),
    "receipt.text.check.sides": "to the left {left}, to the right {right}",
    "receipt.text.check.jump": "{loss} jumps from {below} to {above}",
    "receipt.text.check.at_kink": "{mapping} ({place}): {words}",
    "receipt.text.check.suspect": "the derivative of {mapping} ({place}) is not that of its value",
    "receipt.text.update": "What {optimizer} makes of it ({settings})",
    "receipt.text.update.words": "{words}",
    "receipt.text.update.change": "{x}: {before} → {after}, a change of {change}",
    # the layer view
    "layers.title": "{count} layers, {of}; loss {loss}",
    "layers.mean": "mean over the batch of {batch} (how δ comes about holds sample by sample)",
    "layers.sample": "sample {sample} of the batch of {batch}",
    "layers.layer": "Layer {i}: {name} (W {shape})",
    "layers.z": "before the activation",
    "layers.carried": "sent back from behind",
    "layers.weight": "δ{i} times x, over the whole batch",
    "layers.weight_one": "δ{i} times x, the part of this sample",
    "layers.bias": "the sum of δ{i} over the batch",
    "layers.bias_one": "δ{i}, the part of this sample",
}
