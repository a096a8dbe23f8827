"""A network that predicts numbers, as a scikit-learn estimator."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from .network import NetworkEstimator  # first: it says how to install what the next lines import  # isort: skip

from sklearn.base import RegressorMixin
from sklearn.utils.validation import validate_data

from ..nn import MSELoss

__all__ = ["Regressor"]

LOSS = MSELoss(reduction="none")


class Regressor(RegressorMixin, NetworkEstimator):
    """A regressor: linear layers with an activation between them, trained on the mean squared error.

    ``hidden_layer_sizes``: the width of each hidden layer; () for none. ``activation``: "relu", "tanh", "sigmoid",
    "gelu" or "silu". ``optimizer``: "adam", "adamw", "rmsprop", "sgd" (with momentum 0.9), or a function of
    (parameters, lr). ``lr``: the learning rate. ``epochs`` and ``batch_size``: how long, in how large steps.
    ``early_stopping``: hold ``validation_fraction`` of the samples back, stop when the loss on them has not fallen
    for ``patience`` epochs, and keep the best weights. ``random_state``: None, a seed or a RandomState, which
    decides the starting weights, the order of the samples and those held back.

    It learns best where inputs and targets are of the order of 1 (StandardScaler, TransformedTargetRegressor).
    After `fit`: ``coefs_`` (one array (in, out) per layer), ``intercepts_``, ``n_iter_`` (epochs made), ``history_`` (a
    `History`), ``network_`` (an `nn.Sequential` with these weights), ``n_features_in_``.

    >>> import numpy as np
    >>> x = np.linspace(-1, 1, 64)[:, None]
    >>> model = Regressor((16,), activation="tanh", epochs=300, random_state=0).fit(x, np.sin(3 * x[:, 0]))
    >>> model.score(x, np.sin(3 * x[:, 0])) > 0.99
    True
    """

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train on X (n, features) and targets y, (n,) or (n, targets); return the estimator.

        ``sample_weight`` (n,): how much each sample counts; the loss is Σ w L / Σ w. Raises ValueError for settings
        out of range and data that are not numbers.
        """
        X, y = validate_data(self, X, y, dtype=(np.float64, np.float32), multi_output=True, y_numeric=True)
        self._flat_target = y.ndim == 1
        target = np.asarray(y, X.dtype).reshape(len(y), -1)
        return self._fit_network(X, target, target.shape[1], LOSS, stratify=None, weight=sample_weight)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Go once through X and y, in batches, from what was learnt before; return the estimator.

        The optimiser goes on too, and ``lr`` may change between the calls. After `fit` it continues what `fit` learnt.
        """
        first = not hasattr(self, "coefs_")
        dtype = (np.float64, np.float32) if first else self._description["dtype"]
        X, y = validate_data(self, X, y, dtype=dtype, multi_output=True, y_numeric=True, reset=first)
        target = np.asarray(y, X.dtype).reshape(len(y), -1)
        if not first and target.shape[1] != self._description["outputs"]:
            raise ValueError(
                f"Regressor: partial_fit: expected {self._description['outputs']} targets, got {target.shape[1]}"
            )
        flat = y.ndim == 1
        self._continue_network(X, target, target.shape[1], LOSS, sample_weight, first)
        self._flat_target = flat
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """The prediction for each sample, (n,) or (n, targets) as the targets were."""
        outputs = self._outputs(X)
        return outputs[:, 0] if self._flat_target else outputs
