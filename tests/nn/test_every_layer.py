"""Every layer and every loss of `pullback.nn` keeps the laws: the table is complete, and a test says so."""

import inspect

import numpy as np
import pytest

from pullback import nn

rng = np.random.default_rng(21)
ROWS = rng.normal(size=(3, 4))
SEQUENCES = rng.normal(size=(2, 4, 7))
IMAGES = rng.normal(size=(2, 4, 5, 4))
VOLUMES = rng.normal(size=(2, 2, 3, 4, 3))
STEPS = rng.normal(size=(3, 2, 4))  # (T, N, features)
OTHER_STEPS = rng.normal(size=(2, 2, 4))
COLUMNS = rng.normal(size=(2, 8, 12))
FOUND = np.tile([1, 2], (2, 4, 1))
LABELS = np.array([0, 3, 1])
SIGNS = np.array([1.0, -1.0, 1.0])
P, Q = rng.dirichlet(np.ones(4), (2, 3))
A, B, C = rng.normal(size=(3, 3, 5))
CTC = np.array([[1, 2, 1], [2, 0, 0]]), np.array([5, 4]), np.array([3, 1])


def encoder_layer():
    return nn.TransformerEncoderLayer(4, 2, 6, 0.0, "gelu")


def decoder_layer():
    return nn.TransformerDecoderLayer(4, 2, 6, 0.0, "gelu")


# The class by its name: its layer (or the arguments of its constructor), and the inputs.
LAYERS = {
    "AdaptiveAvgPool1d": ((3,), SEQUENCES),
    "AdaptiveAvgPool2d": ((2,), IMAGES),
    "AdaptiveAvgPool3d": ((2,), VOLUMES),
    "AdaptiveMaxPool1d": ((3,), SEQUENCES),
    "AdaptiveMaxPool2d": ((2,), IMAGES),
    "AdaptiveMaxPool3d": ((2,), VOLUMES),
    "AlphaDropout": ((0.4,), ROWS),
    "AvgPool1d": ((2,), SEQUENCES),
    "AvgPool2d": ((2,), IMAGES),
    "AvgPool3d": ((2,), VOLUMES),
    "BatchNorm1d": ((4, 1e-5, 0.1, True, False), ROWS),
    "BatchNorm2d": ((4, 1e-5, 0.1, True, False), IMAGES),
    "BatchNorm3d": ((2, 1e-5, 0.1, True, False), VOLUMES),
    "Bilinear": ((4, 5, 3), ROWS, A),
    "CELU": ((), ROWS),
    "ChannelShuffle": ((2,), IMAGES),
    "CircularPad1d": ((2,), SEQUENCES),
    "CircularPad2d": ((1,), IMAGES),
    "CircularPad3d": ((1,), VOLUMES),
    "ConstantPad1d": ((2, 0.5), SEQUENCES),
    "ConstantPad2d": ((1, 0.5), IMAGES),
    "ConstantPad3d": ((1, 0.5), VOLUMES),
    "Conv1d": ((4, 3, 3), SEQUENCES),
    "Conv2d": ((4, 3, 2), IMAGES),
    "Conv3d": ((2, 3, 2), VOLUMES),
    "ConvTranspose1d": ((4, 3, 3), SEQUENCES),
    "ConvTranspose2d": ((4, 3, 2), IMAGES),
    "ConvTranspose3d": ((2, 3, 2), VOLUMES),
    "CosineSimilarity": ((-1,), A, B),
    "Dropout": ((0.4,), ROWS),
    "Dropout1d": ((0.4,), SEQUENCES),
    "Dropout2d": ((0.4,), IMAGES),
    "Dropout3d": ((0.4,), VOLUMES),
    "ELU": ((), ROWS),
    "Embedding": ((5, 3), LABELS),
    "EmbeddingBag": ((5, 3), LABELS[None]),
    "FeatureAlphaDropout": ((0.4,), IMAGES),
    "Flatten": ((), IMAGES),
    "Fold": (((5, 4), 2), COLUMNS),
    "GELU": ((), ROWS),
    "GLU": ((), ROWS),
    "GRU": ((4, 3), STEPS),
    "GRUCell": ((4, 3), ROWS),
    "GroupNorm": ((2, 4), IMAGES),
    "Hardshrink": ((), ROWS),
    "Hardsigmoid": ((), ROWS),
    "Hardswish": ((), ROWS),
    "Hardtanh": ((), ROWS),
    "Identity": ((), ROWS),
    "InstanceNorm1d": ((4,), SEQUENCES),
    "InstanceNorm2d": ((4,), IMAGES),
    "InstanceNorm3d": ((2,), VOLUMES),
    "LPPool1d": ((2, 2), np.abs(SEQUENCES)),
    "LPPool2d": ((2, 2), np.abs(IMAGES)),
    "LPPool3d": ((2, 2), np.abs(VOLUMES)),
    "LSTM": ((4, 3), STEPS),
    "LSTMCell": ((4, 3), ROWS),
    "LayerNorm": ((4,), ROWS),
    "LeakyReLU": ((), ROWS),
    "Linear": ((4, 3), ROWS),
    "LocalResponseNorm": ((3, 0.5), IMAGES),
    "LogSigmoid": ((), ROWS),
    "LogSoftmax": ((-1,), ROWS),
    "MaxPool1d": ((2,), SEQUENCES),
    "MaxPool2d": ((2,), IMAGES),
    "MaxPool3d": ((2,), VOLUMES),
    "MaxUnpool1d": ((2,), SEQUENCES[..., :2], FOUND),
    "MaxUnpool2d": ((2,), SEQUENCES[..., :4].reshape(2, 4, 2, 2), np.stack([FOUND, 11 + FOUND], axis=-2)),
    "MaxUnpool3d": ((2,), SEQUENCES[..., :2].reshape(2, 4, 1, 1, 2), FOUND.reshape(2, 4, 1, 1, 2)),
    "Mish": ((), ROWS),
    "MultiheadAttention": ((4, 2), STEPS, OTHER_STEPS, OTHER_STEPS + 0.5),
    "PReLU": ((), ROWS),
    "PairwiseDistance": ((), A, B),
    "PixelShuffle": ((2,), IMAGES),
    "PixelUnshuffle": ((2,), IMAGES[:, :, :4]),
    "RMSNorm": ((4,), ROWS),
    "RNN": ((4, 3), STEPS),
    "RNNCell": ((4, 3), ROWS),
    "RReLU": ((), ROWS),
    "ReLU": ((), ROWS),
    "ReLU6": ((), ROWS),
    "ReflectionPad1d": ((2,), SEQUENCES),
    "ReflectionPad2d": ((1,), IMAGES),
    "ReflectionPad3d": ((1,), VOLUMES),
    "ReplicationPad1d": ((2,), SEQUENCES),
    "ReplicationPad2d": ((1,), IMAGES),
    "ReplicationPad3d": ((1,), VOLUMES),
    "Residual": (lambda: nn.Residual(nn.Linear(4, 4)), ROWS),
    "RotaryPositionalEmbedding": ((4,), STEPS),
    "SELU": ((), ROWS),
    "Sequential": (lambda: nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2)), ROWS),
    "SiLU": ((), ROWS),
    "Sigmoid": ((), ROWS),
    "SinusoidalPositionalEncoding": ((4, 5), STEPS),
    "Softmax": ((-1,), ROWS),
    "Softmax2d": ((), IMAGES),
    "Softmin": ((-1,), ROWS),
    "Softplus": ((), ROWS),
    "Softshrink": ((), ROWS),
    "Softsign": ((), ROWS),
    "Tanh": ((), ROWS),
    "Tanhshrink": ((), ROWS),
    "Threshold": ((0.3, -1.0), ROWS),
    "Transformer": ((4, 2, 1, 1, 6, 0.0, "gelu"), STEPS[:, :1], OTHER_STEPS[:, :1]),
    "TransformerDecoder": (
        lambda: nn.TransformerDecoder(decoder_layer(), 2, nn.LayerNorm(4)),
        OTHER_STEPS[:, :1],
        STEPS[:, :1],
    ),
    "TransformerDecoderLayer": (decoder_layer, OTHER_STEPS[:, :1], STEPS[:, :1]),
    "TransformerEncoder": (lambda: nn.TransformerEncoder(encoder_layer(), 2, nn.LayerNorm(4)), STEPS[:, :1]),
    "TransformerEncoderLayer": (encoder_layer, STEPS[:, :1]),
    "Unflatten": ((1, (2, 2)), ROWS),
    "Unfold": ((2,), IMAGES),
    "Upsample": ((None, 2), IMAGES),
    "UpsamplingBilinear2d": ((None, 2), IMAGES),
    "UpsamplingNearest2d": ((None, 2), IMAGES),
    "ZeroPad1d": ((2,), SEQUENCES),
    "ZeroPad2d": ((1,), IMAGES),
    "ZeroPad3d": ((1,), VOLUMES),
}

# As above; the last is the inputs that vary, where not all that are real numbers do.
LOSSES = {
    "BCELoss": ((), P, Q),
    "BCEWithLogitsLoss": ((), ROWS, Q),
    "CTCLoss": ((), np.log(rng.dirichlet(np.ones(3), (5, 2))), *CTC),
    "CosineEmbeddingLoss": ((-0.2,), A, B, SIGNS, (0, 1)),
    "CrossEntropyLoss": ((), ROWS, LABELS),
    "FocalLoss": ((), ROWS, LABELS),
    "GaussianNLLLoss": ((), ROWS, P, Q + 0.5),
    "HingeEmbeddingLoss": ((2.0,), Q, np.sign(ROWS), (0,)),
    "HuberLoss": ((), ROWS, P),
    "InfoNCELoss": ((), A, B),
    "KLDivLoss": (lambda: nn.KLDivLoss(reduction="sum"), np.log(P), Q),
    "L1Loss": ((), ROWS, P),
    "MSELoss": ((), ROWS, P),
    "MarginRankingLoss": ((0.5,), ROWS[:, 0], P[:, 0], SIGNS, (0, 1)),
    "MultiLabelMarginLoss": ((), ROWS, np.array([[3, 0, -1, 1], [2, -1, 0, 0], [1, 2, 3, 0]])),
    "MultiLabelSoftMarginLoss": ((), ROWS, (P > 0.2) * 1.0, (0,)),
    "MultiMarginLoss": ((), ROWS, LABELS),
    "NLLLoss": ((), np.log(P), LABELS),
    "NTXentLoss": ((), A, B),
    "PoissonNLLLoss": ((), ROWS, np.round(P * 5), (0,)),
    "QuantileLoss": ((0.3,), ROWS, P),
    "SmoothL1Loss": ((), ROWS, P),
    "SoftMarginLoss": ((), ROWS, np.sign(P - 0.2), (0,)),
    "TripletMarginLoss": ((3.0,), A, B, C),
    "TripletMarginWithDistanceLoss": (
        lambda: nn.TripletMarginWithDistanceLoss(distance_function=lambda x, y: ((x - y) ** 2).sum(-1), margin=9.0),
        A,
        B,
        C,
    ),
}

# What is not called with arrays, and why the laws say nothing of it.
NO_LAYERS = {
    "Module": "the base, without a forward of its own",
    "ModuleDict": "holds modules; it is not called",
    "ModuleList": "holds modules; it is not called",
    "ParameterDict": "holds parameters; it is not called",
    "ParameterList": "holds parameters; it is not called",
}


def made(name, arguments):
    return arguments() if callable(arguments) else getattr(nn, name)(*arguments)


def test_the_table_has_every_layer_and_every_loss():
    public = {
        name
        for name, x in vars(nn).items()
        if inspect.isclass(x) and issubclass(x, nn.Module) and not name.startswith("_")
    }
    known = [*LAYERS, *LOSSES, *NO_LAYERS]
    assert len(known) == len(set(known))
    assert public == set(known)
    for name in NO_LAYERS:
        with pytest.raises(NotImplementedError):
            getattr(nn, name)()(ROWS)


@pytest.mark.parametrize("name", LAYERS)
def test_layer(name, laws):
    arguments, *inputs = LAYERS[name]
    laws(made(name, arguments).eval(), *inputs)


@pytest.mark.parametrize("name", LAYERS)
def test_layer_in_training(name, laws):
    arguments, *inputs = LAYERS[name]
    random = "Dropout" in name or name == "RReLU"
    # What is drawn at random is drawn anew for every sample of a batch: there a loop says something else.
    laws(made(name, arguments), *inputs, batched=not random, seeded=random)


@pytest.mark.parametrize("name", LOSSES)
def test_loss(name, laws):
    arguments, *inputs = LOSSES[name]
    active = inputs.pop() if isinstance(inputs[-1], tuple) else None
    laws(made(name, arguments), *inputs, active=active, turned=True)
