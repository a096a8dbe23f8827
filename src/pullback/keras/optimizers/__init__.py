"""Optimisers under Keras' names and with its settings; the steps are those of `pullback.optim`."""

from . import schedules
from .optimizer import *
