"""Training in Keras' manner: layers, `Sequential`, `compile`, `fit`, `evaluate`, `predict`, under Keras' names.

Axes are Keras' too: channels come last, and weights are (in, out). Numbers are float32 unless
`pullback.set_default_dtype` says otherwise.
"""

from . import callbacks, layers, losses, metrics, optimizers
from .layers import Input
from .model import Sequential

__all__ = ["Input", "Sequential", "callbacks", "layers", "losses", "metrics", "optimizers"]
