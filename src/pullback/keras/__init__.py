"""Training in Keras' manner: layers, `Sequential`, `Model`, `compile`, `fit`, `evaluate`, `predict`, by Keras' names.

Axes are Keras' too: channels come last, and weights are (in, out). Numbers are float32 unless
`pullback.set_default_dtype` says otherwise.
"""

from . import activations, callbacks, initializers, layers, losses, metrics, models, ops, optimizers
from . import scripts as utils
from .layers import Input
from .model import Model
from .sequential import Sequential

__all__ = [
    "Input",
    "Model",
    "Sequential",
    "activations",
    "callbacks",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "models",
    "ops",
    "optimizers",
    "utils",
]
