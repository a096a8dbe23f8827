"""English: drawings and the page. Values are put into the strings of the page by the page itself."""

STRINGS: dict[str, str] = {
    # groups
    "graph.repetition": "×{times}",
    "graph.round": "{number} of {times}",
    "graph.chunk": "mappings {first}–{last}",
    "graph.inputs": "{count} inputs",
    "graph.mappings": "mappings: {count}",
    # a notebook
    "notebook.made_by": "made by {name}",
    "notebook.corner": "the corner; all of it from {low} to {high}, mean {mean}, norm {norm}",
    "notebook.parameters": "parameters: {count}",
    # the page: the bar
    "page.showing": "What is shown",
    "page.direction_forward": "Forward",
    "page.direction_backward": "Backward",
    "page.direction_both": "Both",
    "page.stepping": "One mapping at a time",
    "page.first": "To the start",
    "page.runBack": "Back to the previous breakpoint",
    "page.stepBackward": "One step back",
    "page.play": "Play",
    "page.pause": "Pause",
    "page.step": "One step on",
    "page.run": "On to the next breakpoint",
    "page.last": "To the end",
    "page.position": "Step",
    "page.folding": "Folding",
    "page.foldAll": "Fold everything",
    "page.unfoldAll": "Unfold what fits",
    "page.zoomIn": "Larger",
    "page.zoomOut": "Smaller",
    "page.fit": "Fit to the window",
    "page.help": "Keys",
    "page.close": "Close",
    "page.keys": (
        "Tab|from the bar to the drawing to the receipt\n"
        "← ↑ → ↓|to the next box in that direction; in a matrix or a picture, to the next element\n"
        "Shift ← ↑ → ↓|in a picture, ten elements on\n"
        "PgUp PgDn|in a picture of more than two axes, along the next axis; its sliders go along the others\n"
        "Enter|open the receipt of a box; unfold or fold a group; edit an element, where that is possible\n"
        "Esc|fold the group around the box\n"
        ". ,|one mapping on, one back\n"
        "> <|on to the next breakpoint, back to the previous one\n"
        "b|set or remove a breakpoint on the selected mapping\n"
        "Space|play, pause\n"
        "Home End|to the start, to the end\n"
        "r|to the receipt\n"
        "+ − 0|larger, smaller, fit to the window"
    ),
    # the page: the drawing
    "page.drawingOf": "Drawing of {title}: {count} boxes",
    "page.mappings": "mappings: {count}",
    "page.folded": "folded",
    "page.value": "value",
    "page.gradient": "gradient",
    "page.gradientLong": "gradient: how the result changes with the value",
    "page.unfolded": "{title} unfolded; boxes: {count}",
    "page.foldedNow": "{title} folded; boxes: {count}",
    # the page: the receipt
    "page.intro": "mappings: {count}. Each hands its value on and carries a gradient back.",
    "page.howTo": (
        "Select a box to see its receipt, point at an element to see what it is made of, or step with the keys . and ,"
    ),
    "page.key_leaf": "leaf",
    "page.key_mapping": "mapping",
    "page.key_constant": "constant",
    "page.key_group": "folded group",
    "page.leaf": "a leaf: a tensor that gradients are asked for",
    "page.parameter": "a parameter",
    "page.constant": "a constant: no gradient is asked for",
    "page.mapping": "mapping",
    "page.type": "type",
    "page.module": "module",
    "page.origin": "made in",
    "page.kink": "kink",
    "page.forward": "Forward",
    "page.arrives": "The gradient that arrives",
    "page.backward": "Back to the inputs",
    "page.nothingBack": "nothing goes back from here",
    "page.goes": "goes to {symbol}",
    "page.rule": "as the mapping's own rule writes it",
    "page.unknown": "not known",
    "page.range": "{shape}, from {low} to {high}, mean {mean}, norm {norm}",
    "page.corner": "The corner of",
    "page.pointing": "Point at an element, or go to it with the arrow keys, to see what it is made of.",
    "page.madeOf": "{where} is made of (with the slopes) {list}",
    "page.goesInto": "{where} goes into (with the slopes) {list}",
    "page.sentTo": "{where} is sent back to (with the slopes) {list}",
    "page.comesFrom": "{where} comes from (with the slopes) {list}",
    "page.sentToRule": "{where} is sent back to {list}",
    "page.comesFromRule": "{where} comes from {list}",
    "page.madeOfRule": "{where} is made of {list}",
    "page.goesIntoRule": "{where} goes into {list}",
    "page.partnersUnknown": "{where}; which elements belong together is not known here",
    # the page: larger arrays
    "page.picture": "picture of an array",
    "page.pictureLabel": "{label}: {range}. The arrow keys go from element to element.",
    "page.pictureRounded": "values rounded to ±{step}",
    "page.pictureBlocks": "too large to be carried in full: means over blocks of {block}, rounded to ±{step}",
    "page.blockMean": " (mean of its block)",
    "page.axis": "{label}: index along axis {axis}",
    "page.axisShort": "axis {axis}",
    "page.more": " and {count} more",
    "page.breakpoint": "Breakpoint",
    "page.breakpointSet": "Breakpoint set on {title}",
    "page.breakpointGone": "Breakpoint removed from {title}",
    "page.goHere": "Go to this step",
    "page.foldAround": "Fold the group around it",
    "page.unfold": "Unfold",
    "page.asText": "As text",
    "page.copy": "Copy",
    "page.copied": "Copied",
    "page.fullReceipt": "The whole way back from the loss to {symbol}",
    "page.element": "element",
    "page.show": "Show",
    "page.noElement": "{text} is no element of an array of {shape}",
    "page.notCarried_constant": "A constant: no gradient is computed for it, so there is no receipt.",
    "page.notCarried_none": "This was drawn without gradients, so there is no receipt.",
    "page.notCarried_given": (
        "The way back started from a gradient that was given. An account of the whole way is of the gradients of one "
        "number: draw that."
    ),
    "page.notCarried_some": (
        "The account above goes as far as the mappings that read the value. This page carries {count} of the whole way "
        "back and, to stay small, not this one. In Python, pb.explain({loss}, …) writes it; a page opened with "
        "pullback graph … --serve fetches it."
    ),
    "page.notCarried_large": (
        "The account above goes as far as the mappings that read the value; its links lead on, box by box. The graph "
        "has {count} mappings, too many for a page to carry an account of the whole way back. In Python, "
        "pb.explain({loss}, …) writes it; a page opened with pullback graph … --serve fetches it."
    ),
    # the page: what arrives, mapping by mapping; the terminal says the same
    "page.local_missing": "{name}: there is no gradient",
    "page.local_empty": "{name}: an array without elements, so there is nothing to add up",
    "page.local_uses": "From the mappings that read {x}:",
    "page.local_element": "Of the element {element}, whose gradient is the largest: {gradient}",
    "page.local_reason": "Why: {code} – {words}",
    "page.local_downstream": "That is at {symbol}.",
    "page.local_part": "from",
    "page.local_go": "to its receipt",
    "page.local_hook": "a hook changed this gradient from {before} to {after}",
    "page.local_check_agrees": "by finite differences of {mapping}: {numeric} ✓",
    "page.local_check_rounding": "by finite differences of {mapping}: {numeric}, but for the rounding of {dtype} ✓",
    "page.local_check_kink": "a kink lies within reach of finite differences of {mapping} ({numeric}): {kink}",
    "page.local_check_differs": "finite differences of {mapping} disagree: {numeric} ✗",
    "page.local_check_not_finite": "not checked by finite differences: something is not a finite number",
    "page.local_check_refused": "not checked by finite differences: {mapping} takes no other numbers",
    "page.local_check_too_large": (
        "not measured here, so that large arrays do not make the page slow: pb.explain measures it"
    ),
    "page.local_sends": "the pullback of {mapping} sends {product}",
    "page.local_terms_more": "and {count} products more",
    "page.local_omitted": "and {count} mappings more that read it, together {total}",
    "page.local_sum": "sum {total}, the engine's gradient to the last bit ✓",
    "page.local_sum_rounded": "sum {total}, but for rounding the engine's gradient {gradient} ✓",
    "page.local_sum_wrong": "sum {total}, but the engine's gradient is {gradient} ✗",
    "page.local_root": "The way back starts here, with {gradient}.",
    # the page: stepping
    "page.atStart": "At the start: only leaves and constants have values.",
    "page.stepForward": "Step {step} of {total}, forward: {title} = {value}",
    "page.stepBack": "Step {step} of {total}, back through {title}: the gradient {gradient} arrives; {sent}",
    # the page: editing
    "page.newValue": "new value",
    "page.set": "Set",
    "page.mayEdit": "Its numbers can be set: in the field, or with Enter or a double click on an element.",
    "page.computed": "It is computed, so it cannot be set by itself; set what it is computed from:",
    "page.fixed": "A constant of the program, which cannot be set here.",
    "page.asking": "Computing …",
    "page.edited": "{where} is now {value}: {title} = {result}",
    "page.failed": "That did not work: {why}",
}
