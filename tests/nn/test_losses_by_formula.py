"""Losses that PyTorch has not: their formulas written with PyTorch, whose derivatives are the reference."""

import numpy as np
import pytest

import pullback as pb
from pullback.nn import functional as F

rng = np.random.default_rng(61)
X, T = rng.normal(size=(2, 6, 4))
A, B, C = rng.normal(size=(3, 6, 5))
OWN = rng.normal(size=(6, 3, 5))
LABELS, WEIGHT = np.array([0, 3, 1, 1, 2, 0]), np.array([0.5, 2.0, 1.0, 0.25])
TARGETS = (T > 0) * 1.0


def quantile(torch, x, t):
    return torch.maximum(0.3 * (t - x), -0.7 * (t - x)).mean()


def focal(torch, x):
    labels, weight = torch.tensor(LABELS), torch.tensor(WEIGHT)
    log_p = torch.log_softmax(x, -1)[torch.arange(6), labels]
    share = weight[labels]
    return -(share * (1 - log_p.exp()) ** 1.5 * log_p).sum() / share.sum()


def sigmoid_focal(torch, x):
    t = torch.tensor(TARGETS)
    p = torch.sigmoid(x)
    wrong = t * (1 - p) + (1 - t) * p
    share = 0.25 * t + 0.75 * (1 - t)
    plain = torch.nn.functional.binary_cross_entropy_with_logits(x, t, reduction="none")
    return (share * wrong**2 * plain).mean()


def info_nce(torch, q, k, *others):
    unit = torch.nn.functional.normalize
    q, k = unit(q), unit(k)
    if others:
        (n,) = (unit(n, dim=-1) for n in others)
        far = q @ n.T if n.ndim == 2 else (q[:, None] * n).sum(-1)
        scores, labels = torch.cat([(q * k).sum(-1, keepdim=True), far], 1), torch.zeros(6, dtype=torch.int64)
    else:
        scores, labels = q @ k.T, torch.arange(6)
    return torch.nn.functional.cross_entropy(scores / 0.2, labels)


def nt_xent(torch, a, b):
    z = torch.nn.functional.normalize(torch.cat([a, b]))
    scores = (z @ z.T / 0.3).masked_fill(torch.eye(12, dtype=torch.bool), -torch.inf)
    return torch.nn.functional.cross_entropy(scores, (torch.arange(12) + 6) % 12)


CASES = [
    ("QuantileLoss", quantile, lambda x, t: F.quantile_loss(x, t, 0.3), (X, T)),
    ("FocalLoss", focal, lambda x: F.focal_loss(x, LABELS, WEIGHT, gamma=1.5), (X,)),
    ("sigmoid_focal_loss", sigmoid_focal, lambda x: F.sigmoid_focal_loss(x, TARGETS, reduction="mean"), (X,)),
    ("InfoNCELoss", info_nce, lambda q, k: F.info_nce_loss(q, k, temperature=0.2), (A, B)),
    ("InfoNCELoss", info_nce, lambda q, k, n: F.info_nce_loss(q, k, n, temperature=0.2), (A, B, C[:4])),
    ("InfoNCELoss", info_nce, lambda q, k, n: F.info_nce_loss(q, k, n, temperature=0.2), (A, B, OWN)),
    ("NTXentLoss", nt_xent, lambda a, b: F.nt_xent_loss(a, b, temperature=0.3), (A, B)),
]


@pytest.mark.parametrize(("name", "formula", "loss", "inputs"), CASES, ids=[f"{c[0]}-{i}" for i, c in enumerate(CASES)])
def test_values_gradients_and_second_derivatives(name, formula, loss, inputs, agreement):
    torch = pytest.importorskip("torch", reason="PyTorch, the oracle of this test, is not installed")
    notes = {"reference": "its formula in torch"}
    other = [torch.tensor(x, requires_grad=True) for x in inputs]
    want = formula(torch, *other)
    agreement.compare("loss", name, "value", loss(*inputs), want, **notes)
    every = tuple(range(len(inputs)))
    gradients = torch.autograd.grad(want, other, create_graph=True)
    for have, g in zip(pb.grad(loss, argnums=every)(*inputs), gradients, strict=True):
        agreement.compare("loss", name, "gradient", have, g, **notes)
    vs = tuple(rng.normal(size=x.shape) for x in inputs)
    along = sum((g * torch.tensor(v)).sum() for g, v in zip(gradients, vs, strict=True))
    second = torch.autograd.grad(along, other, materialize_grads=True) if along.requires_grad else [None] * len(other)
    _, have = pb.jvp(pb.grad(loss, argnums=every), inputs, vs)
    for a, b, x in zip(have, second, other, strict=True):
        agreement.compare("loss", name, "second order", a, torch.zeros_like(x) + (0 if b is None else b), **notes)
