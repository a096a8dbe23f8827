"""Metrics: figures about a whole data set, added up batch by batch, equal whatever the batches are."""

from .accuracy import *
from .confusion import *
from .metric import *
from .ranking import *
from .regression import *
