"""Training in one call."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import ShapeError
from ..core.spec import ndim_of, shape_of
from ..nn import BCEWithLogitsLoss
from ..tensor import Tensor
from ..transforms import no_grad
from .batches import as_loader, inputs_and_target, mark_last
from .callbacks import Callback
from .diagnosis import NonFiniteError, explain_data, explain_gradients, explain_loss
from .history import History
from .interrupt import Interruptible
from .metrics import MeanLoss, Metric, named_metric, results
from .progress import progress_callback

__all__ = ["Trainer", "TrainerState"]


@dataclass
class TrainerState:
    """Where a training is. ``epoch`` and ``batch`` count from 1; ``batches`` is None where it is not known."""

    epochs: int
    epoch: int = 0
    batch: int = 0
    batches: int | None = None
    is_last_batch: bool = False
    metrics: list[Metric] = field(default_factory=list)
    stopped: bool = False

    @property
    def figures(self) -> dict[str, float]:
        """The loss and the metrics of the epoch so far."""
        return results(self.metrics)


class Trainer:
    """Trains a model: `fit`, then `evaluate` and `predict`.

    ``model``: an `nn.Module`. ``loss``: a loss module or any function of (outputs, targets) that returns a
    scalar tensor. ``optimizer``: one of `pullback.optim`, made with the model's parameters.
    ``metrics``: names among "accuracy", "mae", "mse", "r2", or `Metric` objects; "auto" is accuracy for
    integer targets and nothing beside the loss for others. ``callbacks``: `Callback` objects.
    ``progress``: "auto" shows a bar in a terminal and prints a line per epoch elsewhere; "bar", "lines", or
    None for silence.

    ``history`` has the records of the latest `fit`; ``state`` says where a running one is.

    >>> import pullback as pb
    >>> from pullback import nn, optim
    >>> pb.random.manual_seed(0)
    >>> x = np.linspace(-1, 1, 32, dtype=np.float32)[:, None]
    >>> model = nn.Linear(1, 1)
    >>> trainer = Trainer(model, nn.MSELoss(), optim.SGD(model.parameters(), lr=0.3), progress=None)
    >>> history = trainer.fit((x, 2 * x + 1), epochs=60, batch_size=8, seed=0)
    >>> np.round(trainer.predict(np.array([[3.0]], np.float32)), 2)
    array([[7.]], dtype=float32)
    """

    def __init__(
        self,
        model: Any,
        loss: Callable[[Any, Any], Any],
        optimizer: Any,
        *,
        metrics: Sequence[str | Metric] | str = "auto",
        callbacks: Sequence[Callback] = (),
        progress: str | None = "auto",
    ) -> None:
        if isinstance(metrics, str) and metrics != "auto":
            raise TypeError(f"metrics: expected a sequence such as ({metrics!r},), or 'auto'; got {metrics!r}")
        self.model = model
        self.loss = loss
        self.optimizer = optimizer
        self.callbacks = list(callbacks)
        self.history = History()
        self.state = TrainerState(epochs=0)
        self._threshold = 0.0 if isinstance(loss, BCEWithLogitsLoss) else 0.5
        self._metrics = None if metrics == "auto" else [named_metric(m, threshold=self._threshold) for m in metrics]
        shown = progress_callback(progress)
        if shown is not None:
            self.callbacks.append(shown)

    def fit(
        self,
        data: Any,
        epochs: int,
        validation: Any = None,
        *,
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
    ) -> History:
        """Train for a number of epochs and return what happened.

        ``data``: a `DataLoader`, a data set, or a tuple of arrays (inputs, targets); an item's last part is
        the target and all others are inputs of the model. ``batch_size``, ``shuffle`` and ``seed`` are for data
        that is no loader. ``validation``: data to be measured after each epoch, or a dictionary of several by
        name; the name begins those figures' names in the history ("validation" for one).

        Ctrl-C ends the training after the current step: what was learnt stays, and the history is marked
        ``interrupted``. A second Ctrl-C raises KeyboardInterrupt.

        Raises NonFiniteError, before the parameters change, when a loss or gradient is NaN or infinite;
        ValueError for ``epochs`` below 0; the data's, the model's and the loss' own errors.
        """
        if epochs < 0:
            raise ValueError(f"epochs: expected 0 or more, got {epochs}")
        batches = as_loader(data, batch_size=batch_size, shuffle=shuffle, seed=seed)
        checks = _named_data(validation, batch_size)
        self.history = History()
        self.state = state = TrainerState(epochs, batches=_length(batches))
        try:
            self._tell("on_train_begin")
            with _keeping_modes(self.model), Interruptible() as interrupt:
                while state.epoch < epochs and not (state.stopped or interrupt.requested):
                    state.epoch += 1
                    record = self._train_epoch(batches, interrupt)
                    if state.is_last_batch:
                        for name, loader in checks.items():
                            record |= self._check(name, loader, interrupt)
                    self._tell("on_epoch_end", record)
                    self.history.append(record)
                if interrupt.requested:
                    self.history.interrupted = True
                    self._tell("on_interrupt")
        finally:
            self._tell("on_train_end")
        return self.history

    def evaluate(self, data: Any, *, batch_size: int = 256) -> dict[str, float]:
        """The loss and the metrics on ``data``, measured in evaluation mode and without a graph.

        Every item counts once, whatever the loader's shuffling and ``drop_last``.
        Raises NonFiniteError if the data hold NaN or infinite numbers.
        """
        loader = as_loader(data, batch_size=batch_size, shuffle=False)
        figures = self._measure(loader)
        assert figures is not None  # only an interrupt makes it None
        return figures

    def predict(self, data: Any, *, batch_size: int = 256) -> NDArray[Any]:
        """The model's outputs for ``data``, shape (n, …), in the order of the data.

        ``data``: an array of inputs; or what `fit` takes, of which the targets are left out.
        """
        loader = as_loader(data, batch_size=batch_size, shuffle=False)
        outputs = []
        with _evaluating(self.model), no_grad():
            for batch in loader:
                inputs = [batch] if not isinstance(batch, (tuple, list)) else batch[: max(1, len(batch) - 1)]
                outputs.append(np.asarray(self.model(*inputs)))
        return np.concatenate(outputs)

    def stop(self) -> None:
        """End a running `fit` after the current step."""
        self.state.stopped = True

    # ------------------------------------------------------------------------------------- one epoch

    def _train_epoch(self, batches: Iterable[Any], interrupt: Interruptible) -> dict[str, Any]:
        state = self.state
        state.batch, state.metrics = 0, []
        self.model.train()
        self._tell("on_epoch_begin")
        start = time.perf_counter()
        for batch, is_last in mark_last(batches):
            state.batch += 1
            state.is_last_batch = is_last
            try:
                self._step(*inputs_and_target(batch), batches)
            except Exception as error:
                error.add_note(f"raised by fit in {self._where()}")
                raise
            self._tell("on_batch_end")
            if state.stopped or interrupt.requested:
                break
        if not state.batch:
            raise ValueError("fit: data gave no batch")
        record: dict[str, Any] = {"epoch": state.epoch, **state.figures}
        if hasattr(self.optimizer, "lr"):
            record["lr"] = float(self.optimizer.lr)
        record["seconds"] = round(time.perf_counter() - start, 4)
        if not state.is_last_batch:
            record |= {"complete": False, "batches": state.batch}
        return record

    def _step(self, inputs: Sequence[Any], target: Any, batches: Any) -> None:
        self.optimizer.zero_grad()
        outputs = self.model(*inputs)
        loss = self._loss_of(outputs, target)
        value = float(loss)
        if not np.isfinite(value):
            with no_grad():
                raise NonFiniteError(explain_loss(value, f"in {self._where()}", inputs, target, outputs, self, batches))
        loss.backward()
        self._refuse_bad_gradients()
        self._tell("on_gradients")
        self.optimizer.step()
        if not self.state.metrics:
            self.state.metrics = self._fresh_metrics(target)
        _count(self.state.metrics, value, outputs, target)

    def _loss_of(self, outputs: Any, target: Any) -> Tensor:
        loss = self.loss(outputs, target)
        if ndim_of(loss):
            raise ShapeError(
                f"loss: expected a scalar, got shape {shape_of(loss)}; a loss module wants reduction='mean'"
            )
        return loss  # type: ignore[no-any-return]

    def _refuse_bad_gradients(self) -> None:
        """One dot product per parameter; the elements are looked at only where it is not finite."""
        bad = []
        for name, parameter in self.model.named_parameters():
            if parameter.grad is None:
                continue
            gradient = parameter.grad.numpy().ravel()
            if not np.isfinite(np.dot(gradient, gradient)) and not np.isfinite(gradient).all():
                bad.append(name)
        if bad:
            raise NonFiniteError(explain_gradients(f"in {self._where()}", bad, getattr(self.optimizer, "lr", None)))

    # ---------------------------------------------------------------------------------- measuring

    def _measure(self, loader: Iterable[Any], interrupt: Interruptible | None = None) -> dict[str, float] | None:
        """The figures on a data set; None if Ctrl-C came in between."""
        metrics: list[Metric] = []
        with _evaluating(self.model), no_grad():
            for batch in loader:
                inputs, target = inputs_and_target(batch)
                outputs = self.model(*inputs)
                value = float(self._loss_of(outputs, target))
                if not np.isfinite(value) and (reason := explain_data(loader, inputs, target)):
                    raise NonFiniteError(f"the loss is {value} in an evaluation: {reason}")
                metrics = metrics or self._fresh_metrics(target)
                _count(metrics, value, outputs, target)
                if interrupt is not None and interrupt.requested:
                    return None
        if not metrics:
            raise ValueError("evaluate: data gave no batch")
        return results(metrics)

    def _check(self, name: str, loader: Iterable[Any], interrupt: Interruptible) -> dict[str, float]:
        figures = self._measure(loader, interrupt)
        return {f"{name}_{figure}": value for figure, value in (figures or {}).items()}

    def _fresh_metrics(self, target: Any) -> list[Metric]:
        chosen = self._metrics
        if chosen is None:
            integer = np.asarray(target).dtype.kind in "iub"
            chosen = [named_metric("accuracy", threshold=self._threshold)] if integer else []
        fresh = copy.deepcopy(chosen)
        for metric in fresh:
            metric.reset()
        return [MeanLoss(summed=getattr(self.loss, "reduction", "mean") == "sum"), *fresh]

    def _where(self) -> str:
        return f"epoch {self.state.epoch}, batch {self.state.batch}"

    def _tell(self, event: str, *details: Any) -> None:
        for callback in self.callbacks:
            getattr(callback, event)(self, *details)


def _count(metrics: Sequence[Metric], loss: float, outputs: Any, target: Any) -> None:
    """Add a batch to the metrics, of which the first is the mean loss."""
    predicted, wanted = np.asarray(outputs), np.asarray(target)
    first, *others = metrics
    assert isinstance(first, MeanLoss)
    first.add(loss, len(wanted) if wanted.ndim else 1)
    for metric in others:
        metric.update(predicted, wanted)


@contextmanager
def _keeping_modes(model: Any) -> Iterator[None]:
    """At the end of the `with` statement each module has the mode again that it had at the beginning."""
    before = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, training in before:  # outer modules first: `train` sets the mode of all inside, too
            module.train(training)


@contextmanager
def _evaluating(model: Any) -> Iterator[None]:
    with _keeping_modes(model):
        model.eval()
        yield


def _named_data(validation: Any, batch_size: int) -> dict[str, Iterable[Any]]:
    if validation is None:
        return {}
    named = validation if isinstance(validation, dict) else {"validation": validation}
    return {
        name: as_loader(data, batch_size=max(batch_size, 256), shuffle=False, argument=name)
        for name, data in named.items()
    }


def _length(batches: Any) -> int | None:
    return len(batches) if hasattr(batches, "__len__") else None
