"""Training in one call."""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from itertools import islice
from typing import Any

import numpy as np

from ..core import tree
from ..data import DataLoader
from ..nn import BCEWithLogitsLoss
from ..transforms import no_grad
from .accumulation import Accumulation, check_settings
from .batches import as_loader, inputs_and_target, mark_last
from .callbacks import Callback
from .diagnosis import NonFiniteError, explain_data, explain_gradients, explain_loss
from .history import History
from .interrupt import Interruptible
from .metrics import MeanLoss, Metric, named_metric, results
from .modes import evaluating, keeping_modes
from .native_pass import NativePass
from .native_step import step_of
from .progress import progress_callback
from .resume import find, restore
from .state import Plan, TrainerState
from .step import Step, items_in
from .stopping import watched

__all__ = ["Trainer"]


class Trainer:
    """Trains a model: `fit`, then `evaluate` and `predict`.

    ``model``: an `nn.Module`. ``loss``: a loss module or any function of (outputs, targets) that returns a
    scalar tensor; both may be containers of arrays, see `ContainerDataset`. ``optimizer``: one of `pullback.optim`,
    made with the model's parameters; one whose step wants a closure, as `optim.LBFGS`, gets one.
    ``metrics``: names among "accuracy", "mae", "mse", "r2", or `Metric` objects; "auto" is accuracy for
    integer targets and nothing beside the loss for others. ``callbacks``: `Callback` objects.
    ``progress``: "auto" shows a bar in a terminal and prints a line per epoch elsewhere; "bar", "lines", or
    None for silence. ``compile``: "auto" runs the steps of a training natively from the hundredth on (see
    `pullback.compile`), and its validations from then on too; `evaluate` and `predict` from the hundredth batch of
    their data on. True: from the first; False, or where modules have hooks, eagerly. A model that cannot be
    recorded runs eagerly, with a warning that says why. What Python's own variables decide in the model or the loss
    is looked at once an epoch, and once an evaluation.

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
        compile: str | bool = "auto",
    ) -> None:
        if isinstance(metrics, str) and metrics != "auto":
            raise TypeError(f"metrics: expected a sequence such as ({metrics!r},), or 'auto'; got {metrics!r}")
        self.model = model
        self.loss = loss
        self.optimizer = optimizer
        self.compile = compile
        self.callbacks = list(callbacks)
        self.history = History()
        self.state = TrainerState(epochs=0)
        self.batches: Iterable[Any] = ()
        self._threshold = 0.0 if isinstance(loss, BCEWithLogitsLoss) else 0.5
        self._forward = NativePass(self._loss_and_outputs, compile, "evaluation")
        self._predicted = NativePass(lambda *inputs: self.model(*inputs), compile, "prediction")
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
        accumulate: int = 1,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        each_step: Sequence[Any] = (),
        each_epoch: Sequence[Any] = (),
        validate_every: int = 1,
        validate_every_steps: int | None = None,
        resume: str | os.PathLike[str] | None = None,
    ) -> History:
        """Train for a number of epochs and return what happened.

        ``data``: a `DataLoader`, a data set, or a tuple of arrays (inputs, targets); an item's last part is
        the target and all others are inputs of the model. ``batch_size``, ``shuffle`` and ``seed`` are for data
        that is no loader. ``validation``: data to be measured after each epoch, or a dictionary of several by
        name; the name begins those figures' names in the history ("validation" for one).

        ``accumulate``: how many batches make one step; see `Accumulation`. ``clip_norm`` and ``clip_value`` bound
        the gradients of a step. ``each_step`` and ``each_epoch``: schedules whose ``step()`` is called so often; a
        pair such as ``(ReduceLROnPlateau(optimizer), "validation_loss")`` in ``each_epoch`` gets that figure.
        ``validate_every``: epochs from one validation to the next (the last epoch always has one);
        ``validate_every_steps``: steps from one to the next within an epoch, which go to the record's ``checks``.

        ``resume``: a checkpoint, or a folder of them of which the newest whole one is taken; from an empty folder
        the training begins at the beginning. With the same program, data and settings it goes on bit for bit as
        if it had not been interrupted; ``epochs`` counts those before too.

        Ctrl-C ends the training after the current step (and, after an epoch's last one, its validation): what was
        learnt stays, and the history is marked ``interrupted``. A second Ctrl-C raises KeyboardInterrupt.

        Raises NonFiniteError, before the parameters change, when a loss or gradient is NaN or infinite;
        ValueError for ``epochs`` below 0 and a checkpoint of another training; CheckpointError for a damaged one;
        the data's, the model's and the loss' own errors.
        """
        if epochs < 0:
            raise ValueError(f"epochs: expected 0 or more, got {epochs}")
        counts = {"validate_every": validate_every, "validate_every_steps": validate_every_steps}
        check_settings(accumulate=accumulate, clip_norm=clip_norm, clip_value=clip_value, **counts)
        self.batches = as_loader(data, batch_size=batch_size, shuffle=shuffle, seed=seed)
        self._plan = Plan(
            step_of(
                self.compile, lambda: self.state.step, self.model, self.loss, self.optimizer, clip_norm, clip_value
            ),
            Accumulation(accumulate, self._summed), tuple(each_step), tuple(each_epoch),
            _named_data(validation, batch_size), validate_every, validate_every_steps,
        )  # fmt: skip
        self.history = History()
        names = tuple(self._plan.validation)
        self.state = state = TrainerState(epochs, batches=_length(self.batches), validation=names)
        if resume is not None:
            self._resume(resume)
        try:
            self._tell("on_train_begin")
            with keeping_modes(self.model), Interruptible() as interrupt:
                while not (state.at_epoch_end and state.epoch >= epochs) and not (
                    state.stopped or interrupt.requested
                ):
                    self._run_epoch(interrupt)
                if interrupt.requested:
                    self.history.interrupted = True
                    self._tell("on_interrupt")
        finally:
            self._tell_end()
        return self.history

    def evaluate(self, data: Any, *, batch_size: int = 256) -> dict[str, float]:
        """The loss and the metrics on ``data``, measured in evaluation mode and without a graph.

        Every item counts once, whatever the loader's shuffling and ``drop_last``.
        Raises NonFiniteError if the data hold NaN or infinite numbers.
        """
        return self._measure(as_loader(data, batch_size=batch_size, shuffle=False))

    def predict(self, data: Any, *, batch_size: int = 256) -> Any:
        """The model's outputs for ``data``, an array of shape (n, …) or a container of them, in the order of the data.

        ``data``: an array of inputs; or what `fit` takes, of which the targets are left out.
        """
        loader = as_loader(data, batch_size=batch_size, shuffle=False)
        outputs = []
        with evaluating(self.model), no_grad():
            self._predicted.begin(self.model)
            for batch in loader:
                inputs = [batch] if not isinstance(batch, (tuple, list)) else batch[: max(1, len(batch) - 1)]
                outputs.append(tree.map(np.asarray, self._predicted(*inputs)))
        return tree.map(lambda *parts: np.concatenate(parts), *outputs)

    def stop(self) -> None:
        """End a running `fit` after the current step."""
        self.state.stopped = True

    # ------------------------------------------------------------------------------------- one epoch

    def _run_epoch(self, interrupt: Interruptible) -> None:
        """An epoch, or what is left of one, with its validation."""
        state, plan = self.state, self._plan
        if state.at_epoch_end:
            state.epoch += 1
            state.at_epoch_end = False
            state.batch, state.metrics, state.checks, state.seconds = 0, [], [], 0.0
        record = self._train_epoch(interrupt)
        if state.is_last_batch:
            if state.epoch % plan.validate_every == 0 or state.epoch == state.epochs:
                record |= self._validate()
            for schedule in plan.each_epoch:
                self._step_schedule(schedule, record)
        self._tell("on_epoch_end", record)
        self.history.append(record)
        if state.is_last_batch:
            state.at_epoch_end = True
            self._tell("on_settled")

    def _train_epoch(self, interrupt: Interruptible) -> dict[str, Any]:
        state, plan = self.state, self._plan
        done, before, start = state.batch, state.seconds, time.perf_counter()
        state.is_last_batch = False
        self.model.train()
        plan.step.begin_epoch()
        self._tell("on_epoch_begin")
        for batch, is_last in mark_last(_after(self.batches, done)):
            state.batch += 1
            state.is_last_batch = is_last
            self._tell("on_batch_begin")
            try:
                stepped = self._step(*inputs_and_target(batch))
            except Exception as error:
                error.add_note(f"raised by fit in {self._where()}")
                raise
            self._tell("on_batch_end")
            state.seconds = before + time.perf_counter() - start
            if not stepped:
                continue
            if plan.validate_every_steps and state.step % plan.validate_every_steps == 0 and not is_last:
                state.checks.append({"step": state.step, **self._validate()})
            if not is_last:
                self._tell("on_settled")
            if state.stopped or interrupt.requested:
                break
        if state.batch == done:
            raise ValueError("fit: data gave no batch" if not done else "fit: no batch is left of the epoch to go on")
        record: dict[str, Any] = {"epoch": state.epoch, **state.figures}
        if hasattr(self.optimizer, "lr"):
            record["lr"] = float(self.optimizer.lr)
        record["seconds"] = round(state.seconds, 4)
        if state.checks:
            record["checks"] = state.checks
        if not state.is_last_batch:
            record |= {"complete": False, "batches": state.batch}
        return record

    def _step_schedule(self, schedule: Any, record: dict[str, Any]) -> None:
        """Step a schedule at the end of an epoch; one with a figure's name gets that figure, where it was measured."""
        if not isinstance(schedule, tuple):
            schedule.step()
            return
        schedule, name = schedule
        figure = watched(name, record, self.state.validation, "fit: each_epoch")
        if figure is not None:
            schedule.step(figure)

    def _step(self, inputs: Sequence[Any], target: Any) -> bool:
        """One batch; whether the parameters were changed."""
        plan, state = self._plan, self.state
        group, step = plan.accumulation, plan.step
        if not group.batches:
            self.optimizer.zero_grad()
        loss, outputs = step.gradients(inputs, target, group.take(inputs, target))
        value = float(loss)
        if not np.isfinite(value):
            self.optimizer.zero_grad()
            with no_grad():
                where = f"in {self._where()}"
                raise NonFiniteError(explain_loss(value, where, inputs, target, outputs, self, self.batches))
        full = group.is_full(state.is_last_batch)
        if full:
            group.finish(step)
            self._settle_gradients()
            self._tell("on_gradients")
            self._update()
            group.begin()
            state.step += 1
            for schedule in plan.each_step:
                schedule.step()
        if not state.metrics:
            state.metrics = self._fresh_metrics(target)
        _count(state.metrics, value, outputs, target)
        return full

    def _settle_gradients(self) -> None:
        """Refuse gradients that are not finite, and bound the others."""
        step = self._plan.step
        bad = step.bad_gradients()
        if bad:
            raise NonFiniteError(explain_gradients(f"in {self._where()}", bad, getattr(self.optimizer, "lr", None)))
        step.clip()

    def _update(self) -> None:
        """Change the parameters; an optimiser that evaluates the loss by itself gets the batches of the step again."""
        if not getattr(self.optimizer, "needs_closure", False):
            self._plan.step.update()
            return
        group, step = self._plan.accumulation, self._plan.step

        def closure() -> Any:
            self.optimizer.zero_grad()
            loss = group.again(step)
            if np.isfinite(float(loss)):  # a line search may go too far, and then comes back
                self._settle_gradients()
            return loss

        self.optimizer.step(closure)

    def _resume(self, place: str | os.PathLike[str]) -> None:
        """Put everything back as it was when the checkpoint was written."""
        state = self.state
        state.resumed = True
        contents = find(place)
        if contents is None:
            return
        training = restore(self, contents)
        self.history = History(training["history"])
        state.step, state.seconds, state.batch = training["step"], training["seconds"], training["batch"]
        state.at_epoch_end = not state.batch
        state.epoch = training["epochs_done"] + (not state.at_epoch_end)
        state.checks = training["checks"]
        if training["metrics"]:
            state.metrics = self._fresh_metrics(names=[saved["name"] for saved in training["metrics"]])
            for metric, saved in zip(state.metrics, training["metrics"], strict=True):
                metric.load_state_dict(saved["state"])

    # ---------------------------------------------------------------------------------- measuring

    def _loss_and_outputs(self, *batch: Any) -> tuple[Any, Any]:
        return Step(self.model, self.loss, self.optimizer).forward(batch[:-1], batch[-1])

    def _measure(self, loader: Iterable[Any], after: float | None = None) -> dict[str, float]:
        """The figures on a data set, of which the first ``after`` batches run eagerly."""
        metrics: list[Metric] = []
        with evaluating(self.model), no_grad():
            self._forward.begin(self.model, after)
            for batch in loader:
                inputs, target = inputs_and_target(batch)
                loss, outputs = self._forward(*inputs, target)
                value = float(loss)
                if not np.isfinite(value) and (reason := explain_data(loader, inputs, target)):
                    raise NonFiniteError(f"the loss is {value} in an evaluation: {reason}")
                metrics = metrics or self._fresh_metrics(target)
                _count(metrics, value, outputs, target)
        if not metrics:
            raise ValueError("evaluate: data gave no batch")
        return results(metrics)

    def _validate(self) -> dict[str, float]:
        """The figures on all validation data."""
        found: dict[str, float] = {}
        if self._plan.validation:
            self._tell("on_validation_begin")
        # As the steps, by their number: a training that was interrupted goes on to the same bits.
        after = 0 if self._plan.step.native else float("inf")
        for name, loader in self._plan.validation.items():
            found |= {f"{name}_{figure}": value for figure, value in self._measure(loader, after).items()}
        if found:
            self._tell("on_validation", found)
        return found

    def _fresh_metrics(self, target: Any = None, names: Sequence[str] | None = None) -> list[Metric]:
        """The metrics for such targets; or those that had these names, of which the first is the loss."""
        chosen = self._metrics
        if chosen is None:
            leaves = tree.leaves(target)
            labels = len(leaves) == 1 and np.asarray(leaves[0]).dtype.kind in "iub"
            wanted = labels if names is None else "accuracy" in names
            chosen = [named_metric("accuracy", threshold=self._threshold)] if wanted else []
        fresh = [MeanLoss(summed=self._summed), *copy.deepcopy(chosen)]
        for metric in fresh:
            metric.reset()
        if names is not None and [metric.name for metric in fresh] != list(names):
            raise ValueError(f"resume: the metrics were {list(names)}; now they are {[m.name for m in fresh]}")
        return fresh

    @property
    def _summed(self) -> bool:
        return getattr(self.loss, "reduction", "mean") == "sum"

    def _where(self) -> str:
        return f"epoch {self.state.epoch}, batch {self.state.batch}"

    def _tell_end(self) -> None:
        """All callbacks hear of the end, also when one of them cannot write what it wants to."""
        with ExitStack() as stack:
            for callback in reversed(self.callbacks):
                stack.callback(callback.on_train_end, self)

    def _tell(self, event: str, *details: Any) -> None:
        for callback in self.callbacks:
            getattr(callback, event)(self, *details)


def _count(metrics: Sequence[Metric], loss: float, outputs: Any, target: Any) -> None:
    """Add a batch to the metrics, of which the first is the mean loss; containers of arrays stay containers."""
    predicted, wanted = tree.map(np.asarray, outputs), tree.map(np.asarray, target)
    first, *others = metrics
    assert isinstance(first, MeanLoss)
    first.add(loss, items_in(target))
    for metric in others:
        metric.update(predicted, wanted)


def _named_data(validation: Any, batch_size: int) -> dict[str, Iterable[Any]]:
    if validation is None:
        return {}
    named = validation if isinstance(validation, dict) else {"validation": validation}
    return {
        name: as_loader(data, batch_size=max(batch_size, 256), shuffle=False, argument=name)
        for name, data in named.items()
    }


def _length(batches: Any) -> int | None:
    try:
        return len(batches)
    except TypeError:  # a stream
        return None


def _after(batches: Iterable[Any], done: int) -> Iterable[Any]:
    """The batches behind the first ``done`` ones of an epoch that is continued; a `DataLoader` skips them itself."""
    return batches if isinstance(batches, DataLoader) else islice(batches, done, None)
