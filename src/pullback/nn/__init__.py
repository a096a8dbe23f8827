"""Layers, losses and starting values, under PyTorch's names."""

from . import functional, init
from .activation import *  # noqa: F403
from .clipping import *  # noqa: F403
from .containers import *  # noqa: F403
from .dropout import *  # noqa: F403
from .flatten import *  # noqa: F403
from .linear import *  # noqa: F403
from .losses import (
    BCELoss,
    BCEWithLogitsLoss,
    CrossEntropyLoss,
    L1Loss,
    MSELoss,
    NLLLoss,
)
from .module import *  # noqa: F403
from .parameter import *  # noqa: F403
from .stateless import *  # noqa: F403
