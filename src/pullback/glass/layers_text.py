"""The layer view as text for the terminal."""

from __future__ import annotations

from typing import Any

import numpy as np

from .columns import aligned, shown_number
from .language import text
from .receipt import LayerAccount, LayerView

__all__ = ["render"]

MOST = 8
ROWS = 6


def render(view: LayerView, lang: str | None = None) -> str:
    """Return the view as lines: a block for each layer, first to last."""
    lang = view.lang if lang is None else lang
    of = (
        text("layers.mean", lang, batch=view.batch)
        if view.sample is None
        else text("layers.sample", lang, sample=view.sample, batch=view.batch)
    )
    lines = [text("layers.title", lang, count=len(view.layers), of=of, loss=shown_number(view.loss))]
    for i, layer in enumerate(view.layers, 1):
        lines += ["", *_layer(layer, i, lang, view.sample is not None)]
    return "\n".join(lines) + "\n"


def _layer(layer: LayerAccount, i: int, lang: str, one: bool) -> list[str]:
    shape = "×".join(map(str, layer.weight.shape))
    rows = [
        ["x", vector(layer.x), ""],
        [f"z{i}", vector(layer.z), text("layers.z", lang)],
    ]
    if layer.activation:
        rows.append([f"a{i}", vector(layer.a), layer.activation])
        rows.append([f"∂L/∂a{i}", vector(layer.carried), text("layers.carried", lang)])
    if layer.slope is not None and layer.activation:
        rows.append([f"f′(z{i})", vector(layer.slope), ""])
    rows.append([f"δ{i}", vector(layer.delta), layer.statement])
    lines = [text("layers.layer", lang, i=i, name=layer.name, shape=shape), *aligned(rows)]
    lines += _matrix(
        f"∂L/∂W{i}", layer.weight_gradient, text("layers.weight_one" if one else "layers.weight", lang, i=i)
    )
    if layer.bias is not None:
        told = text("layers.bias_one" if one else "layers.bias", lang, i=i)
        lines += aligned([[f"∂L/∂b{i}", vector(layer.bias_gradient), told]])
    return lines


def vector(x: Any) -> str:
    """Return a vector in brackets, shortened in the middle.

    >>> vector([0.5, -1.0])
    '[0.5  −1]'
    """
    a = np.asarray(x, dtype=np.float64)
    if not a.ndim:
        return shown_number(float(a), 5)
    if a.ndim > 1:
        return f"{'×'.join(map(str, a.shape))}, ‖·‖ {shown_number(float(np.linalg.norm(a)), 5)}"
    numbers = [shown_number(float(v), 5) for v in a]
    if len(numbers) > MOST:
        numbers = [*numbers[: MOST - 2], "…", numbers[-1]]
    return f"[{'  '.join(numbers)}]"


def _matrix(name: str, g: Any, told: str) -> list[str]:
    a = np.asarray(g, dtype=np.float64)
    if a.shape[0] > ROWS:
        norm = shown_number(float(np.linalg.norm(a)), 5)
        return aligned([[name, f"{'×'.join(map(str, a.shape))}, ‖·‖ {norm}", told]])
    return aligned([[name if k == 0 else "", vector(row), told if k == 0 else ""] for k, row in enumerate(a)])
