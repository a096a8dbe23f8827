"""Layers under Keras' names: channels last, weights (in, out), built when the shape of the input is known."""

from .convolution import *
from .core import *
from .input import *
from .layer import *
from .merging import *
from .normalization import *
from .operation import Operation
from .pooling import *
from .recurrent import *
from .reshaping import *
