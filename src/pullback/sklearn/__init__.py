"""Networks in scikit-learn's manner: `Classifier` and `Regressor`, for pipelines, searches and cross-validation."""

from .classifier import Classifier
from .regressor import Regressor

__all__ = ["Classifier", "Regressor"]
