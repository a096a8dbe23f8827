"""What both estimators share: a network of linear layers, trained by `Trainer` and kept as plain arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from . import needs  # first: it says how to install what the next lines import  # noqa: F401  # isort: skip

from sklearn.base import BaseEstimator
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from .. import mappings as m
from .. import nn, optim, random
from ..core import tree
from ..core.spec import ndim_of
from ..core.value import Value
from ..data import ContainerDataset, DataLoader
from ..train import EarlyStopping, History, Trainer
from ..train.native_pass import NativePass
from ..train.network import build_network
from ..transforms import no_grad

__all__ = ["OPTIMIZERS", "NetworkEstimator"]

OPTIMIZERS: dict[str, Callable[..., Any]] = {
    "adam": optim.Adam,
    "adamw": optim.AdamW,
    "rmsprop": optim.RMSprop,
    "sgd": lambda parameters, lr: optim.SGD(parameters, lr=lr, momentum=0.9),
}
ROWS_AT_A_TIME = 4096


class NetworkEstimator(BaseEstimator):
    """A network of linear layers under scikit-learn's conventions; what is learnt is plain arrays, which pickle."""

    def __init__(
        self,
        hidden_layer_sizes: Sequence[int] = (64,),
        activation: str = "relu",
        *,
        optimizer: str | Callable[..., Any] = "adam",
        lr: float = 0.01,
        epochs: int = 100,
        batch_size: int = 32,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        patience: int = 10,
        random_state: Any = None,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.optimizer = optimizer
        self.lr = lr
        self.epochs = epochs
        self.batch_size = batch_size
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.random_state = random_state

    @property
    def network_(self) -> nn.Sequential:
        """The fitted network as a module with these weights, for `pullback.explain` and the like."""
        check_is_fitted(self, "coefs_")
        network = build_network(self._description)
        layers = [layer for layer in network if isinstance(layer, nn.Linear)]
        for layer, weight, bias in zip(layers, self.coefs_, self.intercepts_, strict=True):
            assert layer.bias is not None
            layer.weight.assign_(weight.T)
            layer.bias.assign_(bias)
        return network.eval()

    def _fit_network(
        self, x: NDArray[Any], target: NDArray[Any], outputs: int, loss: Any, stratify: Any, weight: Any
    ) -> Self:
        """Train on inputs (n, features) and targets, both checked; the same seed gives the same weights.

        ``loss``: a function of (outputs, targets) that gives a number, or a row of them, for each sample.
        """
        if self.epochs < 1:
            raise ValueError(f"{type(self).__name__}: expected epochs >= 1, got {self.epochs}")
        make_optimizer = self._optimizer()
        network = self._begin(x, outputs)
        data: Any = (x, self._weighed(x, target, weight))
        validation, callbacks = None, []
        if self.early_stopping:
            rows = np.arange(len(x))
            kept, held = train_test_split(
                rows, test_size=self.validation_fraction, random_state=self._seed, stratify=stratify
            )
            data, validation = _rows(data, kept), ContainerDataset(_rows(data, held))
            callbacks = [EarlyStopping("validation_loss", self.patience, restore_best=True)]
        optimizer = make_optimizer(network.parameters(), lr=self.lr)
        trainer = Trainer(network, _mean(loss), optimizer, metrics=(), callbacks=callbacks, progress=None)
        self.history_ = trainer.fit(
            ContainerDataset(data),
            self.epochs,
            validation,
            batch_size=min(self.batch_size, len(data[0])),
            seed=self._seed,
        )
        self.n_iter_ = len(self.history_)
        self._keep(network, optimizer)
        return self

    def _continue_network(
        self, x: NDArray[Any], target: NDArray[Any], outputs: int, loss: Any, weight: Any, first: bool
    ) -> Self:
        """Go once through these samples, with the weights and the optimiser as the call before left them."""
        if self.early_stopping:
            raise ValueError(f"{type(self).__name__}: partial_fit does not know early_stopping=True")
        make_optimizer = self._optimizer()
        network = self._begin(x, outputs) if first else self.network_.train()
        optimizer = make_optimizer(network.parameters(), lr=self.lr)
        if not first and self._optimizer_state is not None:
            optimizer.load_state_dict(self._optimizer_state)
            optimizer.lr = self.lr
        trainer = Trainer(network, _mean(loss), optimizer, metrics=(), progress=None)
        passes = 0 if first else self.n_iter_
        loader = DataLoader(
            ContainerDataset((x, self._weighed(x, target, weight))),
            min(self.batch_size, len(x)),
            shuffle=True,
            seed=self._seed,
        )
        loader.set_epoch(passes)
        latest = trainer.fit(loader, 1)
        if first:
            self.history_ = History()
        self.history_.append({**latest.last, "epoch": passes + 1})
        self.n_iter_ = passes + 1
        self._keep(network, optimizer)
        return self

    def _begin(self, x: NDArray[Any], outputs: int) -> nn.Sequential:
        """A new network for such inputs, and the seed that decides everything."""
        self._seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        self._description = {
            "inputs": x.shape[1],
            "hidden": [int(width) for width in self.hidden_layer_sizes],
            "outputs": outputs,
            "activation": self.activation,
            "dropout": 0.0,
            "dtype": x.dtype.name,
        }
        return _seeded_network(self._description, self._seed)

    def _weighed(self, x: NDArray[Any], target: NDArray[Any], weight: Any) -> tuple[NDArray[Any], Any]:
        """The targets with their samples' weights, whose mean is 1; None where all count alike."""
        if weight is None:
            return target, None
        weight = _check_sample_weight(weight, x, dtype=x.dtype, ensure_non_negative=True)
        return target, weight * (len(weight) / weight.sum())

    def _keep(self, network: nn.Sequential, optimizer: Any) -> None:
        """Keep what was learnt as plain arrays, which pickle."""
        layers = [layer for layer in network if isinstance(layer, nn.Linear)]
        self.coefs_ = [np.array(layer.weight.numpy().T) for layer in layers]
        self.intercepts_ = [np.array(layer.bias.numpy()) for layer in layers if layer.bias is not None]
        state = optimizer.state_dict() if hasattr(optimizer, "state_dict") else None
        self._optimizer_state = tree.map(lambda leaf: np.array(leaf) if isinstance(leaf, Value) else leaf, state)

    def _outputs(self, x: Any) -> NDArray[Any]:
        """The network's outputs (n, outputs) for inputs that are yet to be checked."""
        check_is_fitted(self, "coefs_")
        x = validate_data(self, x, reset=False, dtype=self._description["dtype"])
        network = self.network_
        forward = NativePass(network, "auto", "prediction")
        with no_grad():
            forward.begin(network)
            parts = [np.asarray(forward(x[i : i + ROWS_AT_A_TIME])) for i in range(0, len(x), ROWS_AT_A_TIME)]
        return np.concatenate(parts)

    def _optimizer(self) -> Callable[..., Any]:
        if callable(self.optimizer):
            return self.optimizer
        if self.optimizer not in OPTIMIZERS:
            raise ValueError(
                f"{type(self).__name__}: optimizer: expected one of {', '.join(OPTIMIZERS)}, or a function of "
                f"(parameters, lr); got {self.optimizer!r}"
            )
        return OPTIMIZERS[self.optimizer]


def _mean(loss: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """The mean loss of a batch of (targets, weights); the weights have the mean 1 over all samples."""

    def mean(outputs: Any, target: Any) -> Any:
        target, weight = target
        values = loss(outputs, target)
        if weight is not None:
            values = m.multiply(values, weight if ndim_of(values) == 1 else m.expand_dims(weight, axis=1))
        return m.mean(values)

    return mean


def _rows(data: Any, rows: NDArray[Any]) -> Any:
    return tree.map(lambda array: array[rows], data)


def _seeded_network(description: dict[str, Any], seed: int) -> nn.Sequential:
    """A new network whose weights depend on the seed alone; the global stream of random numbers stays where it was."""
    before = random.get_state()
    try:
        random.manual_seed(seed)
        return build_network(description)
    finally:
        random.set_state(before)
