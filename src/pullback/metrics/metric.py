"""Metric: a figure about a whole data set, added up batch by batch."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

__all__ = ["Metric"]


class Metric:
    """What you subclass for a figure of your own: `reset`, then `update` per batch, then `result`.

    ``name``: under which the figure stands in the history.
    The sums are kept in float64 whatever the dtype of the batch, and no batch is kept.
    """

    name: str = "metric"

    def reset(self) -> None:
        """Forget everything that was added up."""
        raise NotImplementedError(f"{type(self).__name__} must define reset(self)")

    def update(self, outputs: NDArray[Any], targets: NDArray[Any]) -> None:
        """Add one batch: the model's outputs, shape (n, …), and what they should have been."""
        raise NotImplementedError(f"{type(self).__name__} must define update(self, outputs, targets)")

    def result(self) -> float:
        """The figure so far; NaN before the first batch."""
        raise NotImplementedError(f"{type(self).__name__} must define result(self)")

    def state_dict(self) -> dict[str, Any]:
        """What was added up, for a checkpoint in the middle of an epoch: by default all attributes.

        They must be what `pullback.save` takes: numbers, strings, arrays, lists and dictionaries of them.
        """
        return dict(vars(self))

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        vars(self).update(state_dict)
