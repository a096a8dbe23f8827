"""Bridge: tells callbacks in Keras' manner what the `Trainer` tells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ... import train
from .callback import Callback, Logs

if TYPE_CHECKING:
    from ..training import Trainable

__all__ = ["Bridge"]


class Bridge(train.Callback):
    """``first``: how many epochs there were before; Keras' callbacks count on from there."""

    def __init__(
        self, model: Trainable, callbacks: Sequence[Callback], params: dict[str, Any] | None = None, first: int = 0
    ) -> None:
        self.model, self.callbacks, self.first = model, list(callbacks), first
        for callback in self.callbacks:
            if not isinstance(callback, Callback):
                raise TypeError(f"callbacks: expected keras.callbacks.Callback objects, got {callback!r}")
            callback.set_params(params or {})
            callback.set_model(model)  # type: ignore[arg-type]  # a model is what trains

    def tell(self, event: str, *details: Any) -> None:
        """Call this method of all callbacks."""
        for callback in self.callbacks:
            getattr(callback, event)(*details)

    def on_train_begin(self, trainer: Any) -> None:
        self.tell("on_train_begin", None)

    def on_epoch_begin(self, trainer: Any) -> None:
        self.tell("on_epoch_begin", trainer.state.epoch - 1 + self.first, None)

    def on_batch_begin(self, trainer: Any) -> None:
        self.tell("on_train_batch_begin", trainer.state.batch - 1, None)

    def on_gradients(self, trainer: Any) -> None:
        optimizer = self.model.compiled.optimizer
        if optimizer.clipnorm is not None:
            optimizer.clip_each(trainer.model.parameters())

    def on_batch_end(self, trainer: Any) -> None:
        if self.callbacks:
            self.tell("on_train_batch_end", trainer.state.batch - 1, trainer.state.figures)
        self._stop(trainer)

    def on_validation_begin(self, trainer: Any) -> None:
        self.tell("on_test_begin", None)

    def on_validation(self, trainer: Any, figures: dict[str, float]) -> None:
        self.tell("on_test_end", {name.removeprefix("val_"): figure for name, figure in figures.items()})

    def on_epoch_end(self, trainer: Any, record: dict[str, Any]) -> None:
        if record.get("complete", True):  # else Ctrl-C or a callback cut it short: there is no validation
            self.tell("on_epoch_end", trainer.state.epoch - 1 + self.first, self._logs(record))
        self._stop(trainer)

    def on_train_end(self, trainer: Any) -> None:
        self.tell("on_train_end", None)

    def _logs(self, record: dict[str, Any]) -> Logs:
        names = self.model.metrics_names
        logs = {name: record[name] for name in names}
        return logs | {f"val_{n}": record[f"val_{n}"] for n in names if f"val_{n}" in record}

    def _stop(self, trainer: Any) -> None:
        if self.model.stop_training:
            trainer.stop()
