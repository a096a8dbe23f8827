"""compile, fit, evaluate, predict: how a model of `pullback.keras` is trained, by the `Trainer`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core import tree
from ..core.errors import PullbackError, ShapeError
from ..data import ContainerDataset, DataLoader
from ..train import NonFiniteError, Trainer
from ..train.modes import evaluating
from ..train.native_pass import NativePass
from ..transforms import no_grad
from .callbacks import Bridge, Callback, History, TerminateOnNaN
from .objective import Objective
from .optimizers import optimizer_of
from .progress import ProgressLine, line
from .samples import Batches, arrays_of, class_weights, is_iterable_of_batches

__all__ = ["Trainable"]


class Trainable:
    """The part of a model that trains it; a model says what its inputs and outputs are."""

    name: str
    stop_training: bool
    _objective: Objective | None

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        metrics: Any = None,
        loss_weights: Any = None,
    ) -> None:
        """Say how to train: names, or objects of `keras.optimizers`, `keras.losses` and `keras.metrics`.

        Optimisers: "adam", "adamw", "rmsprop", "sgd", "adagrad", "adadelta", "adamax", "nadam", "lion". Losses:
        "categorical_crossentropy", "sparse_categorical_crossentropy", "binary_crossentropy", "mse", "mae", "huber"
        and others, or a function of (y_true, y_pred). Metrics: a list of "accuracy", "mae", "mse", "auc" and others.
        With several outputs loss, metrics and ``loss_weights`` are lists in their order, or dictionaries by their
        names. Raises ValueError for other names.
        """
        if loss is None:
            raise ValueError('compile: expected a loss.\n  right:  model.compile("adam", loss="mse")')
        if isinstance(metrics, str):
            raise TypeError(f"metrics: expected a list, such as [{metrics!r}], got {metrics!r}")
        self._objective = Objective(optimizer_of(optimizer), loss, metrics, loss_weights)
        if self.is_built:
            self._objective.settle(self.output_names)

    @property
    def compiled(self) -> Objective:
        """What `compile` was told. Raises PullbackError before."""
        if self._objective is None:
            raise PullbackError(
                'the model must be compiled first.\n  right:  model.compile(optimizer="adam", loss="mse")'
            )
        return self._objective

    @property
    def optimizer(self) -> Any:
        """The optimiser that `compile` was told; its ``inner`` is there from the first `fit` on."""
        return self.compiled.optimizer

    @property
    def metrics_names(self) -> list[str]:
        """The names of what `evaluate` returns."""
        return ["loss", *(metric.name for metric in self.compiled.metrics)]

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: int | str = "auto",
        callbacks: Sequence[Callback] | None = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: dict[int, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: int = 1,
    ) -> History:
        """Train on samples x (n, …) and targets y, and return the history.

        ``x`` and ``y``: arrays; with several inputs or outputs lists in their order or dictionaries by their names. Or
        ``x`` gives batches (x, y) or (x, y, sample weights), as a `DataLoader` and a generator do; then
        ``steps_per_epoch`` says how many an epoch has. ``batch_size``: 32 unless given.
        ``verbose``: 0 silent, 1 or "auto" a progress line, 2 the line without a bar. ``validation_split``: the share
        of the samples, the last ones, that is held back and measured every ``validation_freq`` epochs; or
        ``validation_data``. ``sample_weight`` (n,): how much each sample counts, with several outputs a list or
        dictionary; ``class_weight``: the same by class. ``initial_epoch``: how many epochs there were before.
        Raises PullbackError before `compile`, ValueError and ShapeError for data that do not fit,
        NonFiniteError when a loss or gradient is NaN or infinite.
        """
        objective = self.compiled
        if not 0 <= validation_split < 1:
            raise ValueError(f"fit: expected validation_split in [0, 1), got {validation_split}")
        data: Any
        if is_iterable_of_batches(x):
            if y is not None or sample_weight is not None or class_weight is not None or validation_split:
                raise ValueError(
                    "fit: x gives batches; expected y, sample_weight, class_weight and validation_split to be left out"
                )
            data, steps = self._batches(x, steps_per_epoch)
        else:
            contents = self._contents(x, y, sample_weight, class_weight)
            if validation_split and validation_data is None:
                contents, validation_data = _parted(contents, validation_split)
            data = DataLoader(ContainerDataset(contents), batch_size or 32, shuffle=shuffle)
            steps = len(data)
            if steps_per_epoch is not None and steps_per_epoch < steps:
                data, steps = Batches(data, lambda batch: batch, steps_per_epoch), steps_per_epoch
        validation = self._validation(validation_data, validation_batch_size or batch_size or 32, validation_steps)
        objective.settle(self.output_names)
        optimizer = objective.optimizer
        self._bind(optimizer)
        history = History()
        told: list[Callback] = list(callbacks or ())
        if verbose:
            told.append(ProgressLine(epochs, steps, 2 if verbose == 2 else 1))
        parameters = {
            "epochs": epochs,
            "steps": steps,
            "verbose": 1 if verbose == "auto" else verbose,
            "validates": validation is not None,
        }
        self.stop_training = False
        self.history = history
        trainer = self._trainer(Bridge(self, [*told, history], parameters, initial_epoch))
        try:
            trainer.fit(
                data,
                max(epochs - initial_epoch, 0),
                validation,
                shuffle=shuffle,
                clip_norm=optimizer.global_clipnorm,
                clip_value=optimizer.clipvalue,
                each_step=[optimizer],
                validate_every=validation_freq,
            )
        except NonFiniteError:
            quiet = [callback for callback in told if isinstance(callback, TerminateOnNaN)]
            if not quiet:
                raise
            for callback in quiet:
                callback.terminate(trainer.state.batch - 1)
        return history

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: int | str = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Sequence[Callback] | None = None,
        return_dict: bool = False,
    ) -> Any:
        """The loss on the data, or a list of it and the metrics (`metrics_names`); with ``return_dict`` by name."""
        objective = self.compiled
        data: Any
        if is_iterable_of_batches(x):
            data, count = self._batches(x, steps)
        else:
            data = DataLoader(ContainerDataset(self._contents(x, y, sample_weight)), batch_size or 32)
            count = len(data)
        objective.settle(self.output_names)
        bridge = Bridge(self, list(callbacks or ()), {"steps": count, "verbose": verbose})
        begin = time.perf_counter()
        bridge.tell("on_test_begin")
        figures = self._trainer().evaluate(data)
        bridge.tell("on_test_end", figures)
        if verbose:
            count = data.given if count is None else count
            print(line(count, count, time.perf_counter() - begin, figures, bar=verbose != 2))
        if return_dict:
            return figures
        return list(figures.values()) if len(figures) > 1 else figures["loss"]

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: int | str = "auto",
        steps: int | None = None,
        callbacks: Sequence[Callback] | None = None,
    ) -> Any:
        """The outputs for samples x (n, …): an array, or arrays in the container that the model's outputs have."""
        batches: Any
        if is_iterable_of_batches(x):
            batches = Batches(x, lambda batch: batch[0] if isinstance(batch, tuple) else batch, steps)
            count = _length(batches)
        else:
            contents = ContainerDataset(self._inputs(x))
            batches = DataLoader(contents, batch_size or 32)
            count = len(batches)
        bridge = Bridge(self, list(callbacks or ()), {"steps": count, "verbose": verbose})
        begin = time.perf_counter()
        bridge.tell("on_predict_begin")
        forward = NativePass(self, "auto", "prediction")  # type: ignore[arg-type]  # a module can be called
        with evaluating(self), no_grad():
            forward.begin(self)
            parts = [tree.map(np.asarray, forward(batch)) for batch in batches]
        bridge.tell("on_predict_end")
        if not parts:
            raise ValueError("predict: x has no sample")
        if verbose:
            print(line(len(parts), len(parts), time.perf_counter() - begin, {}, bar=verbose != 2))
        return tree.map(lambda *pieces: np.concatenate(pieces), *parts)

    def train_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, class_weight: Any = None, return_dict: bool = False
    ) -> Any:
        """Make one step on these samples, and return the loss and the metrics on them as `evaluate` does."""
        contents = self._contents(x, y, sample_weight, class_weight)
        objective = self.compiled
        objective.settle(self.output_names)
        self._bind(objective.optimizer)
        optimizer = objective.optimizer
        history = self._trainer(Bridge(self, [])).fit(
            ContainerDataset(contents),
            1,
            batch_size=len(tree.leaves(contents)[0]),
            shuffle=False,
            clip_norm=optimizer.global_clipnorm,
            clip_value=optimizer.clipvalue,
            each_step=[optimizer],
        )
        figures = {name: history.last[name] for name in self.metrics_names}
        if return_dict:
            return figures
        return list(figures.values()) if len(figures) > 1 else figures["loss"]

    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False) -> Any:
        """The loss and the metrics on these samples, as `evaluate` gives them."""
        count = len(tree.leaves(self._inputs(x))[0])
        return self.evaluate(x, y, count, 0, sample_weight, return_dict=return_dict)

    def predict_on_batch(self, x: Any) -> Any:
        """The outputs for these samples, all at once."""
        return self.predict(x, len(tree.leaves(self._inputs(x))[0]), 0)

    # ------------------------------------------------------------------------------------- the parts

    def _bind(self, optimizer: Any) -> None:
        """The optimiser of this model's parameters."""
        parameters = list(self.parameters())  # type: ignore[attr-defined]  # a module's
        if optimizer.inner is None:
            if not parameters:
                raise PullbackError(f"{self.name}: there is nothing to train: the model has no parameters")
            optimizer.bind(parameters)
            return
        held = {id(p) for group in optimizer.inner.param_groups for p in group.params}
        if held != {id(p) for p in parameters}:
            raise PullbackError(
                f"{self.name}: the optimiser was made for other parameters.\n"
                "  right:  a new one for each model: model.compile(keras.optimizers.Adam(), …)"
            )

    def _trainer(self, *callbacks: Bridge) -> Trainer:
        objective = self.compiled
        optimizer = objective.optimizer.inner
        return Trainer(
            self, objective.loss, optimizer, metrics=objective.metrics, callbacks=callbacks, progress=None
        )

    def _inputs(self, x: Any) -> Any:
        """Inputs as arrays; the model is built for them."""
        inputs = arrays_of("x", x, self.has_one_input)
        self.build_from(inputs)
        return inputs

    def _contents(self, x: Any, y: Any, weight: Any = None, class_weight: Any = None) -> Any:
        """Inputs, and lists of the targets and the weights of the outputs, as arrays."""
        inputs = self._inputs(x)
        if y is None:
            raise ValueError("y: expected targets, got None")
        names = self.output_names
        single = len(names) == 1
        targets = self._by_output("y", arrays_of("y", y, single), names)
        weights: list[Any] = [None] * len(names)
        if weight is not None:
            given = arrays_of("sample_weight", weight, single or not isinstance(weight, list | tuple | dict))
            shared = not single and isinstance(given, np.ndarray)
            weights = [given] * len(names) if shared else self._by_output("sample_weight", given, names)
        if class_weight is not None:
            if weight is not None or not single:
                raise ValueError("fit: expected class_weight or sample_weight, and class_weight for one output only")
            weights = [class_weights(class_weight, targets[0])]
        n = len(tree.leaves(inputs)[0])
        for what, arrays in (("y", targets), ("sample_weight", weights)):
            for array in arrays:
                if array is not None and len(array) != n:
                    shapes = [leaf.shape for leaf in tree.leaves(inputs)]
                    shown = shapes[0] if len(shapes) == 1 else shapes
                    kind = "targets" if what == "y" else "weights"
                    raise ShapeError(f"expected as many {kind} as samples, got x {shown} and {what} {array.shape}")
        return inputs, (self._shaped(targets), weights)

    def _by_output(self, what: str, given: Any, names: list[str]) -> list[Any]:
        if isinstance(given, dict):
            unknown = [name for name in given if name not in names]
            missing = [name for name in names if name not in given]
            if unknown or (missing and what == "y"):
                wrong = f"there is no output {unknown[0]!r}" if unknown else f"there is none for {missing[0]!r}"
                raise ValueError(f"{what}: {wrong}; the outputs are {', '.join(names)}")
            return [given.get(name) for name in names]
        entries = given if isinstance(given, list) else [given]
        if len(entries) != len(names):
            raise ValueError(
                f"{what}: expected an array for each of the {len(names)} outputs {', '.join(names)}, got {len(entries)}"
            )
        return list(entries)

    def _batches(self, source: Any, steps: int | None) -> tuple[Batches, int | None]:
        """Batches that somebody else makes, as the `Trainer` takes them; the first one builds the model."""

        def convert(batch: Any) -> Any:
            if not isinstance(batch, tuple | list) or not 2 <= len(batch) <= 3:
                raise TypeError("x: expected batches (inputs, targets) or (inputs, targets, sample weights)")
            return self._contents(*(tree.map(np.asarray, part) for part in batch))

        batches = Batches(source, convert, steps)
        if not self.is_built:
            if hasattr(source, "__next__"):
                raise PullbackError(
                    "fit: an iterator does not say what its samples look like before it is used; build the model "
                    "first: model.build((None, 64)), or keras.Input(shape=(64,))"
                )
            next(iter(batches))
        return batches, _length(batches)

    def _validation(self, data: Any, batch_size: int, steps: int | None) -> Any:
        if data is None:
            return None
        if isinstance(data, _Held):
            return {"val": DataLoader(ContainerDataset(data.contents), batch_size)}
        if isinstance(data, tuple | list) and not is_iterable_of_batches(data):
            if len(data) not in (2, 3):
                raise ValueError(f"validation_data: expected (x, y) or (x, y, sample weights), got {len(data)} parts")
            return {"val": DataLoader(ContainerDataset(self._contents(*data)), batch_size)}
        return {"val": self._batches(data, steps)[0]}

    # what a model says about itself

    is_built: bool
    has_one_input: bool
    output_names: list[str]

    def build_from(self, inputs: Any) -> None:
        """Make the parameters for such inputs, if they are not there."""
        raise NotImplementedError(f"{type(self).__name__} must define build_from")

    def _shaped(self, targets: list[NDArray[Any]]) -> list[NDArray[Any]]:
        """The targets with the axes of the outputs."""
        raise NotImplementedError(f"{type(self).__name__} must define _shaped")


class _Held:
    """What `validation_split` has held back."""

    def __init__(self, contents: Any) -> None:
        self.contents = contents


def _parted(contents: Any, share: float) -> tuple[Any, _Held]:
    """The first samples, and the last ones of which there are ``share``."""
    count = len(tree.leaves(contents)[0])
    split = int(count * (1 - share))
    if not 0 < split < count:
        raise ValueError(f"fit: validation_split={share} of {count} samples leaves a part empty")
    return tree.map(lambda a: a[:split], contents), _Held(tree.map(lambda a: a[split:], contents))


def _length(batches: Any) -> int | None:
    try:
        return len(batches)
    except TypeError:
        return None
