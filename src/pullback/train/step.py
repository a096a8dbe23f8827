"""Step: one step of a training as a function of a batch, over the cells of the model and the optimiser.

`Step.__call__` is the whole of it: forward, backward, clipping, update. It reads no number out of a tensor and
keeps nothing but in cells, so it can be traced and compiled as it is; what looks at numbers (is the loss finite,
what do the metrics say) is done by the `Trainer`, between its two halves or behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import nn
from ..core import tree
from ..core.errors import ShapeError
from ..core.spec import ndim_of, shape_of

__all__ = ["Step", "items_in"]


class Step:
    """The two halves of a step, `gradients` and `update`, and the whole.

    ``loss``: a function of (outputs, target) that returns a scalar. ``clip_norm`` and ``clip_value`` bound the
    gradients: first each element, then the norm of all.
    """

    def __init__(
        self,
        model: Any,
        loss: Callable[[Any, Any], Any],
        optimizer: Any,
        clip_norm: float | None = None,
        clip_value: float | None = None,
    ) -> None:
        self.model, self.loss, self.optimizer = model, loss, optimizer
        self.clip_norm, self.clip_value = clip_norm, clip_value

    @property
    def native(self) -> bool:
        """Whether the present step runs as native code."""
        return False

    def __call__(self, inputs: Sequence[Any], target: Any) -> tuple[Any, Any]:
        """Make a step with this batch; return the loss and the outputs of before it."""
        self.optimizer.zero_grad()
        loss, outputs = self.gradients(inputs, target)
        self.clip()
        self.optimizer.step()
        return loss, outputs

    def forward(self, inputs: Sequence[Any], target: Any) -> tuple[Any, Any]:
        """The loss and the outputs. Raises ShapeError for a loss that is no scalar."""
        outputs = self.model(*inputs)
        loss = self.loss(outputs, target)
        if ndim_of(loss):
            raise ShapeError(
                f"loss: expected a scalar, got shape {shape_of(loss)}; a loss module wants reduction='mean'"
            )
        return loss, outputs

    def gradients(self, inputs: Sequence[Any], target: Any, weight: float | None = None) -> tuple[Any, Any]:
        """Add the gradients of the loss, times ``weight``, to those that are there; return the loss and the outputs."""
        loss, outputs = self.forward(inputs, target)
        (loss if weight is None else loss * weight).backward()
        return loss, outputs

    def scale(self, factor: float) -> None:
        """Multiply the gradients that were added up."""
        for parameter in self.model.parameters():
            if parameter.grad is not None:
                parameter.grad = parameter.grad * factor

    def clip(self) -> None:
        """Bound the gradients."""
        if self.clip_value is not None:
            nn.clip_grad_value_(self.model.parameters(), self.clip_value)
        if self.clip_norm is not None:
            nn.clip_grad_norm_(self.model.parameters(), self.clip_norm)

    def update(self) -> None:
        """Change the parameters."""
        self.optimizer.step()

    def begin_epoch(self) -> None:
        """Be told that another epoch begins."""

    def bad_gradients(self) -> list[str]:
        """The parameters whose gradients are not finite: elements are looked at only where a dot product says so."""
        bad = []
        for name, parameter in self.model.named_parameters():
            if parameter.grad is None:
                continue
            gradient = parameter.grad.numpy().ravel()
            if not np.isfinite(np.dot(gradient, gradient)) and not np.isfinite(gradient).all():
                bad.append(name)
        return bad


def items_in(target: Any) -> int:
    """The number of items in a batch, by its targets, an array or a container of them; 1 where they have no axis."""
    shapes = [shape_of(leaf) for leaf in tree.leaves(target)]
    return shapes[0][0] if shapes and shapes[0] else 1
