"""What does not fit is refused in the same words, whichever interpreter runs: none may fall back to NumPy's."""

import re

import numpy as np
import pytest

import pullback as pb
from pullback.core.errors import ShapeError
from pullback.nn import functional as F

X, W, B = np.ones((2, 4)), np.ones((3, 4)), np.ones(3)
Z = np.zeros((3, 4))
CONTEXTS = {
    "eager": lambda f, x: f(pb.tensor(x)),
    "without a tape": lambda f, x: pb.jvp(f, (x,), (x,)),
    "grad": lambda f, x: pb.grad(lambda x: pb.sum(f(x)))(x),
    "trace": lambda f, x: pb.trace(f)(x),
    "vmap": lambda f, x: pb.vmap(f)(np.stack([x, x])),
}
EXPECTED = "linear: expected x (…, in) and weight (out, in), got x "
LINEAR = {
    "x": (lambda x: F.linear(x, W, B), np.ones((2, 5)), EXPECTED + "(2, 5)"),
    "a vector": (lambda x: F.linear(x, W), np.ones(5), EXPECTED + "(5,)"),
    "weight": (lambda w: F.linear(X, w, B), np.ones(4), EXPECTED + "(2, 4) and weight (4,)"),
    "bias": (lambda b: F.linear(X, W, b), np.ones(1), "expected bias of shape (3,) for weight (3, 4), got (1,)"),
    "bias of two axes": (lambda b: F.linear(X, W, b), np.ones((3, 1)), "expected bias of shape (3,)"),
}


@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize("what", LINEAR)
def test_linear(context, what):
    f, wrong, words = LINEAR[what]
    with pytest.raises(ShapeError, match=re.escape(words)):
        CONTEXTS[context](f, wrong)


@pytest.mark.parametrize("context", [c for c in CONTEXTS if c != "vmap"])
@pytest.mark.parametrize(
    ("labels", "words"),
    [([0, 1, 4], "label 4 at index (2,) is out of range"), ([0, -1, 3], "label -1 at index (1,) is out of range")],
)
def test_a_label_out_of_range(context, labels, words):
    with pytest.raises(IndexError, match=re.escape(words)):
        CONTEXTS[context](lambda z: F.cross_entropy(z, np.array(labels)), Z)


@pytest.mark.parametrize("context", CONTEXTS)
def test_too_few_labels(context):
    with pytest.raises(ShapeError, match=re.escape("cross_entropy: expected labels of shape (3,)")):
        CONTEXTS[context](lambda z: F.cross_entropy(z, np.array([0, 1])), Z)
