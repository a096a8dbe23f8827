"""Convolution, pooling, borders, upsampling and embedding under the laws that hold for every layer."""

import numpy as np
import pytest

from pullback import nn

rng = np.random.default_rng(15)
IMAGES = rng.normal(size=(3, 4, 6, 5))
SEQUENCES = rng.normal(size=(3, 4, 9))
VOLUMES = rng.normal(size=(2, 2, 4, 3, 4))

CASES = [
    ("Conv1d", (4, 6, 3), {"stride": 2, "padding": 1}, SEQUENCES),
    ("Conv2d", (4, 6, (3, 2)), {"padding": (1, 0), "dilation": (1, 2), "groups": 2}, IMAGES),
    ("Conv2d", (4, 4, 3), {"padding": 1, "groups": 4, "padding_mode": "reflect"}, IMAGES),
    ("Conv3d", (2, 3, 2), {"padding": 1, "stride": (2, 1, 1)}, VOLUMES),
    ("ConvTranspose1d", (4, 6, 3), {"stride": 2, "output_padding": 1}, SEQUENCES),
    ("ConvTranspose2d", (4, 6, 3), {"stride": 2, "padding": 1, "groups": 2}, IMAGES),
    ("ConvTranspose3d", (2, 3, 2), {"bias": False}, VOLUMES),
    ("MaxPool1d", (3,), {"stride": 2, "padding": 1}, SEQUENCES),
    ("MaxPool2d", (2,), {"ceil_mode": True}, IMAGES),
    ("MaxPool3d", (2,), {"stride": 1}, VOLUMES),
    ("AvgPool1d", (3,), {"padding": 1, "count_include_pad": False}, SEQUENCES),
    ("AvgPool2d", ((3, 2),), {"stride": 2, "padding": 1}, IMAGES),
    ("AvgPool3d", (2,), {}, VOLUMES),
    ("AdaptiveAvgPool1d", (4,), {}, SEQUENCES),
    ("AdaptiveAvgPool2d", ((4, 3),), {}, IMAGES),
    ("AdaptiveAvgPool3d", (2,), {}, VOLUMES),
    ("AdaptiveMaxPool1d", (4,), {}, SEQUENCES),
    ("AdaptiveMaxPool2d", ((4, 3),), {}, IMAGES),
    ("AdaptiveMaxPool3d", (2,), {}, VOLUMES),
    ("LPPool1d", (2, 3), {}, np.abs(SEQUENCES)),
    ("LPPool2d", (2, 2), {}, np.abs(IMAGES)),
    ("ConstantPad2d", ((1, -1, 2, 0), 2.5), {}, IMAGES),
    ("ReflectionPad2d", ((1, 2, 3, 0),), {}, IMAGES),
    ("ReplicationPad1d", ((3, 1),), {}, SEQUENCES),
    ("CircularPad3d", (1,), {}, VOLUMES),
    ("Upsample", (), {"scale_factor": 2}, IMAGES),
    ("Upsample", (), {"size": (9, 4), "mode": "bilinear", "align_corners": False}, IMAGES),
    ("Upsample", (), {"size": (9, 4), "mode": "bicubic", "align_corners": True}, IMAGES),
    ("PixelShuffle", (2,), {}, IMAGES),
    ("Embedding", (7, 3), {"padding_idx": 2}, rng.integers(0, 7, (3, 5))),
]
NAMES = [f"{name}-{i}" for i, (name, *_) in enumerate(CASES)]


@pytest.mark.parametrize(("name", "sizes", "settings", "x"), CASES, ids=NAMES)
def test_value_gradients_and_second_derivatives_are_those_of_pytorch(name, sizes, settings, x, like_torch):
    import torch

    like_torch(getattr(nn, name)(*sizes, **settings), getattr(torch.nn, name)(*sizes, **settings), [x])


@pytest.mark.parametrize(("name", "sizes", "settings", "x"), CASES, ids=NAMES)
def test_laws_of_every_layer(name, sizes, settings, x, laws):
    laws(getattr(nn, name)(*sizes, **settings), x)
