"""Callbacks in Keras' manner, the history among them."""

from .bridge import *
from .callback import *
from .logs import *
from .rates import *
from .stopping import *
from .weights import *
