"""Layers, losses and starting values, under PyTorch's names."""

from typing import NoReturn

from . import functional, init
from . import toolbox as utils
from .absent import LAYERS, refusal
from .activation import *
from .attention import *
from .batchnorm import *
from .bilinear import *
from .cells import *
from .choice import parameter_groups
from .clipping import *
from .containers import *
from .convolution import *
from .dropout import *
from .embedding import *
from .embedding_bag import *
from .flatten import *
from .folding import *
from .layernorm import *
from .linear import *
from .losses import (
    BCELoss,
    BCEWithLogitsLoss,
    CosineEmbeddingLoss,
    CosineSimilarity,
    CrossEntropyLoss,
    CTCLoss,
    FocalLoss,
    GaussianNLLLoss,
    HingeEmbeddingLoss,
    HuberLoss,
    InfoNCELoss,
    KLDivLoss,
    L1Loss,
    MarginRankingLoss,
    MSELoss,
    MultiLabelMarginLoss,
    MultiLabelSoftMarginLoss,
    MultiMarginLoss,
    NLLLoss,
    NTXentLoss,
    PairwiseDistance,
    PoissonNLLLoss,
    QuantileLoss,
    SmoothL1Loss,
    SoftMarginLoss,
    TripletMarginLoss,
    TripletMarginWithDistanceLoss,
)
from .module import *
from .overview import *
from .packed import *
from .padding import *
from .parameter import *
from .parametrize import *
from .penalty import *
from .pooling import *
from .position import *
from .rectifier import *
from .recurrent import *
from .residual import *
from .stateless import *
from .transformer import *
from .unpooling import *
from .upsampling import *
from .vector import *


def __getattr__(name: str) -> NoReturn:
    """Say what to use instead of a name that PyTorch has here."""
    raise refusal("pullback.nn", name, LAYERS)
