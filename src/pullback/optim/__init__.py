"""Optimisers and learning-rate schedules, under PyTorch's names."""

from ..nn.clipping import *  # noqa: F403
from .adam import *  # noqa: F403
from .adaptive import *  # noqa: F403
from .group import *  # noqa: F403
from .optimizer import *  # noqa: F403
from .schedule import *  # noqa: F403
from .sgd import *  # noqa: F403
