"""Layers under Keras' names: channels last, weights (in, out), built when the shape of the input is known."""

from .core import *
from .image import *
from .layer import *
from .normalization import *
from .recurrent import *
