"""Training in one call: `Trainer`, the history it returns, metrics, callbacks, saved runs."""

from .callbacks import Callback, GradientHealth, JSONLines
from .checkpoint import CheckpointError
from .diagnosis import NonFiniteError
from .health import LayerHealth
from .history import History
from .keeping import Checkpoint
from .logs import CSVLog, LearningRateLog, TensorBoard
from .metrics import MAE, MSE, R2, Accuracy, MeanLoss, Metric
from .runs import Run, load_run
from .stopping import EarlyStopping
from .trainer import Trainer

__all__ = [
    "Trainer",
    "History",
    "Callback",
    "GradientHealth",
    "JSONLines",
    "CSVLog",
    "LearningRateLog",
    "TensorBoard",
    "EarlyStopping",
    "Checkpoint",
    "CheckpointError",
    "LayerHealth",
    "Metric",
    "Accuracy",
    "MeanLoss",
    "MAE",
    "MSE",
    "R2",
    "NonFiniteError",
    "Run",
    "load_run",
]
