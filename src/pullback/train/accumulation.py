"""One step from several batches: their gradients added up as if they had been one batch."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import nn

__all__ = ["Accumulation", "check_settings"]


class Accumulation:
    r"""Adds up the gradients of ``every`` batches, each weighted with its number of items.

    With a loss that is a mean over items, $\frac1N\sum_b n_b \nabla L_b$ with $N = \sum_b n_b$ is the gradient of
    the mean over all items of the group, also where the last batch is smaller; a loss that is a sum is added up
    as it is. With ``every`` = 1 nothing is weighted.
    """

    def __init__(self, every: int, summed: bool) -> None:
        self.every = every
        self.weighted = every > 1 and not summed
        self.batches = self.items = 0

    def weigh(self, loss: Any, target: Any) -> Any:
        """The loss whose gradient is to be added, and count the batch."""
        shape = np.shape(target)
        count = shape[0] if shape else 1
        self.batches += 1
        self.items += count
        return loss * float(count) if self.weighted else loss

    def is_full(self, is_last_batch: bool) -> bool:
        """Whether a step is due: after ``every`` batches, and at the end of an epoch with what there is."""
        return is_last_batch or self.batches >= self.every

    def finish(self, model: Any) -> None:
        """Turn the sums into the gradient that the step uses, and begin anew."""
        if self.weighted:
            for parameter in model.parameters():
                if parameter.grad is not None:
                    parameter.grad = parameter.grad * (1.0 / self.items)
        self.batches = self.items = 0


def clip(model: Any, norm: float | None, value: float | None) -> None:
    """Bound the gradients: first each element, then the norm of all."""
    if value is not None:
        nn.clip_grad_value_(model.parameters(), value)
    if norm is not None:
        nn.clip_grad_norm_(model.parameters(), norm)


def check_settings(**counts: Any) -> None:
    """Raise ValueError for a setting of `fit` that is not a positive number where it is given."""
    for name, number in counts.items():
        whole = isinstance(number, int) and not isinstance(number, bool)
        clipping = name.startswith("clip") and isinstance(number, (int, float)) and not isinstance(number, bool)
        if number is not None and not (((whole and number >= 1) or clipping) and number > 0):
            kind = "a number above 0" if name.startswith("clip") else "an integer of 1 or more"
            raise ValueError(f"{name}: expected {kind}, got {number!r}")
