"""Distances and likenesses of vectors beside PyTorch's: values, gradients, second derivatives."""

import math

import numpy as np
import pytest

import pullback as pb
from pullback import nn

rng = np.random.default_rng(8)
A, B = rng.normal(size=(2, 6, 5))


@pytest.mark.parametrize("keepdim", [False, True])
@pytest.mark.parametrize("p", [1, 2, 3.5, math.inf])
def test_pairwise_distance(p, keepdim, agreement):
    torch = pytest.importorskip("torch", reason="PyTorch, the oracle of this test, is not installed")
    a, b = (torch.tensor(x, requires_grad=True) for x in (A, B))
    want = torch.nn.functional.pairwise_distance(a, b, p, keepdim=keepdim)
    have = nn.PairwiseDistance(p, keepdim=keepdim)
    agreement.compare("loss", "PairwiseDistance", "value", have(A, B), want)
    derivatives(agreement, "PairwiseDistance", lambda a, b: have(a, b).sum(), want.sum(), (a, b))


def derivatives(agreement, name, loss, want, theirs):
    """Compare gradients in both inputs, and the second derivatives along a direction, with PyTorch's."""
    import torch

    inputs, vs = [x.detach().numpy() for x in theirs], rng.normal(size=(2, *A.shape))
    gradients = torch.autograd.grad(want, theirs, create_graph=True)
    for a, b in zip(pb.grad(loss, argnums=(0, 1))(*inputs), gradients, strict=True):
        agreement.compare("loss", name, "gradient", a, b)
    along = sum((g * torch.tensor(v)).sum() for g, v in zip(gradients, vs, strict=True))
    second = torch.autograd.grad(along, theirs, allow_unused=True) if along.requires_grad else (None, None)
    _, have = pb.jvp(pb.grad(loss, argnums=(0, 1)), tuple(inputs), tuple(vs))
    for a, b, x in zip(have, second, theirs, strict=True):
        agreement.compare("loss", name, "second order", a, torch.zeros_like(x) + (0 if b is None else b))


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_cosine_similarity(dim, agreement):
    torch = pytest.importorskip("torch", reason="PyTorch, the oracle of this test, is not installed")
    short = A.copy()
    short[2], short[3] = 0.0, 1e-12
    for first in (A, short):
        a, b = (torch.tensor(x, requires_grad=True) for x in (first, B))
        want = torch.nn.functional.cosine_similarity(a, b, dim)
        have = nn.CosineSimilarity(dim)
        agreement.compare("loss", "CosineSimilarity", "value", have(first, B), want)
        loss = lambda a, b: have(a, b).sum()  # noqa: B023  # called before `have` changes
        if first is A:
            derivatives(agreement, "CosineSimilarity", loss, want.sum(), (a, b))
        for g in pb.grad(loss, argnums=(0, 1))(first, B):
            assert np.isfinite(np.asarray(g)).all()
