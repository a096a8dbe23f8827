"""A network that classifies, as a scikit-learn estimator."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from .network import NetworkEstimator  # first: it says how to install what the next lines import  # isort: skip

from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from ..nn import CrossEntropyLoss

__all__ = ["Classifier"]

LOSS = CrossEntropyLoss(reduction="none")


class Classifier(ClassifierMixin, NetworkEstimator):
    """A classifier: linear layers with an activation between them, softmax, cross-entropy.

    ``hidden_layer_sizes``: the width of each hidden layer; () for none. ``activation``: "relu", "tanh", "sigmoid",
    "gelu" or "silu". ``optimizer``: "adam", "adamw", "rmsprop", "sgd" (with momentum 0.9), or a function of
    (parameters, lr). ``lr``: the learning rate. ``epochs`` and ``batch_size``: how long, in how large steps.
    ``early_stopping``: hold ``validation_fraction`` of the samples back, stop when the loss on them has not fallen
    for ``patience`` epochs, and keep the best weights. ``random_state``: None, a seed or a RandomState, which
    decides the starting weights, the order of the samples and those held back.

    After `fit`: ``classes_``, ``coefs_`` (one array (in, out) per layer), ``intercepts_``, ``n_iter_`` (epochs made),
    ``history_`` (a `History`), ``network_`` (an `nn.Sequential` with these weights), ``n_features_in_``.

    >>> import numpy as np
    >>> x = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> model = Classifier((8,), random_state=0).fit(x, ["low", "low", "high", "high"])
    >>> model.predict([[0.2], [2.8]]).tolist()
    ['low', 'high']
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train on X (n, features) and labels y (n,) of any kind; return the estimator.

        ``sample_weight`` (n,): how much each sample counts; the loss is Σ w L / Σ w. Raises ValueError for settings
        out of range, fewer than two classes, and data that are not numbers.
        """
        X, y = validate_data(self, X, y, dtype=(np.float64, np.float32))
        check_classification_targets(y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"Classifier: y has one class only, {self.classes_[0]!r}; expected two classes or more")
        return self._fit_network(X, labels, len(self.classes_), LOSS, stratify=labels, weight=sample_weight)

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Go once through X and y, in batches, from what was learnt before; return the estimator.

        ``classes``: all classes there will be, at the first call. The optimiser goes on too, and ``lr`` may change
        between the calls. After `fit` it continues what `fit` learnt. Raises ValueError for labels that are not
        among the classes.
        """
        first = not hasattr(self, "classes_")
        dtype = (np.float64, np.float32) if first else self._description["dtype"]
        X, y = validate_data(self, X, y, dtype=dtype, reset=first)
        check_classification_targets(y)
        if first:
            if classes is None:
                raise ValueError("Classifier: partial_fit: expected classes, all that there will be, at the first call")
            known = np.unique(classes)
            if len(known) < 2:
                raise ValueError(f"Classifier: expected two classes or more, got {known.tolist()}")
        else:
            known = self.classes_
            if classes is not None and not np.array_equal(np.unique(classes), known):
                raise ValueError(f"Classifier: partial_fit: classes were {known.tolist()}, now {list(classes)}")
        unknown = ~np.isin(y, known)
        if unknown.any():
            raise ValueError(f"Classifier: the label {y[unknown][0]!r} is not one of the classes {known.tolist()}")
        labels = np.searchsorted(known, y)
        self._continue_network(X, labels, len(known), LOSS, sample_weight, first)
        self.classes_ = known
        return self

    def predict_proba(self, X: Any) -> NDArray[Any]:
        """The probability of each class, (n, classes), in the order of ``classes_``."""
        logits = self._outputs(X)
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)

    def predict(self, X: Any) -> NDArray[Any]:
        """The most probable class of each sample, (n,)."""
        indices = self._outputs(X).argmax(axis=1)
        return self.classes_[indices]
