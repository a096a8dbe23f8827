"""The table of a model's layers."""

from __future__ import annotations

import math
from typing import Any

__all__ = ["summary_lines"]


def summary_lines(name: str, layers: list[Any]) -> list[str]:
    """One line per layer: its name and kind, the shape of its output, the number of its parameters."""
    rows = [("Layer (type)", "Output Shape", "Param #")]
    trained = kept = 0
    for layer in layers:
        own = sum(math.prod(p.shape) for p in layer.parameters())
        fixed = sum(math.prod(b.shape) for b in layer.buffers())
        trained, kept = trained + own, kept + fixed
        shape = ", ".join(["None", *map(str, layer.output_shape)])
        rows.append((f"{layer.name} ({type(layer).__name__})", f"({shape})", f"{own + fixed:,}"))
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    table = [f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}" for a, b, c in rows]
    return [
        f'Model: "{name}"',
        table[0],
        "─" * len(table[0]),
        *table[1:],
        f"Total params: {trained + kept:,}",
        f"Trainable params: {trained:,}",
        f"Non-trainable params: {kept:,}",
    ]
