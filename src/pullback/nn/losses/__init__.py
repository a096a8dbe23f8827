"""Losses: each a function, and a module that calls it."""

from .classification import *
from .distance import *
from .margin import *
from .regression import *
from .sequence import *
