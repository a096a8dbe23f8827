"""Training and evaluation mode, given back as they were."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["evaluating", "keeping_modes"]


@contextmanager
def keeping_modes(model: Any) -> Iterator[None]:
    """At the end of the `with` statement each module has the mode again that it had at the beginning."""
    before = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, training in before:  # outer modules first: `train` sets the mode of all inside, too
            module.train(training)


@contextmanager
def evaluating(model: Any) -> Iterator[None]:
    with keeping_modes(model):
        model.eval()
        yield
