"""One step from several batches: their gradients added up as if they had been one batch."""

from __future__ import annotations

from typing import Any

from .step import Step, items_in

__all__ = ["Accumulation", "check_settings"]

Batch = tuple[Any, Any]


class Accumulation:
    r"""Adds up the gradients of ``every`` batches, each weighted with its number of items.

    With a loss that is a mean over items, $\frac1N\sum_b n_b \nabla L_b$ with $N = \sum_b n_b$ is the gradient of
    the mean over all items of the group, also where the last batch is smaller; a loss that is a sum is added up
    as it is. With ``every`` = 1 nothing is weighted.
    """

    def __init__(self, every: int, summed: bool) -> None:
        self.every = every
        self.weighted = every > 1 and not summed
        self.batches: list[Batch] = []
        """The batches of the group that is being put together."""
        self.items = 0

    def take(self, inputs: Any, target: Any) -> float | None:
        """Count a batch; return the weight of its gradients, None for 1."""
        count = items_in(target)
        self.batches.append((inputs, target))
        self.items += count
        return float(count) if self.weighted else None

    def is_full(self, is_last_batch: bool) -> bool:
        """Whether a step is due: after ``every`` batches, and at the end of an epoch with what there is."""
        return is_last_batch or len(self.batches) >= self.every

    def finish(self, step: Step) -> None:
        """Turn the sums into the gradient that the step uses."""
        if self.weighted:
            step.scale(1.0 / self.items)

    def again(self, step: Step) -> Any:
        """The loss of the whole group with its gradients, computed anew, for an optimiser that asks several times."""
        total: Any = None
        for inputs, target in self.batches:
            count = float(items_in(target))
            loss, _ = step.gradients(inputs, target, count if self.weighted else None)
            part = loss * count if self.weighted else loss
            total = part if total is None else total + part
        self.finish(step)
        return total * (1.0 / self.items) if self.weighted else total

    def begin(self) -> None:
        """Begin a new group."""
        self.batches, self.items = [], 0


def check_settings(**counts: Any) -> None:
    """Raise ValueError for a setting of `fit` that is not a positive number where it is given."""
    for name, number in counts.items():
        whole = isinstance(number, int) and not isinstance(number, bool)
        clipping = name.startswith("clip") and isinstance(number, (int, float)) and not isinstance(number, bool)
        if number is not None and not (((whole and number >= 1) or clipping) and number > 0):
            kind = "a number above 0" if name.startswith("clip") else "an integer of 1 or more"
            raise ValueError(f"{name}: expected {kind}, got {number!r}")
