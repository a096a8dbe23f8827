"""A law that cannot fail is worthless: for each law, mappings that are wrong on purpose, and the words they cause."""

import itertools

import numpy as np
import pytest

import pullback as pb
from pullback.core import space
from pullback.core.families import elementwise, fused
from pullback.core.mapping import BOTH, CATALOGUE, INPUTS, Mapping, unsupported
from pullback.core.samples import Sample, fixed, real
from pullback.core.spec import Spec
from pullback.testing import LAWS, LawBroken, check_mapping
from pullback.testing.contract import judge
from pullback.testing.subject import Subject

exp, multiply, softmax, sum_ = (CATALOGUE[name] for name in ("exp", "multiply", "softmax", "sum"))


def own_exp(derivative, **facets):
    """An exponential with another derivative rule."""
    facets = {"uses": INPUTS, "formula": "e^{x}", "words": "e to the {x}", "samples": real((-2, 2))} | facets
    return elementwise("exp", np.exp, derivative, enter=False, **facets)


class Lying(Mapping):
    """Says that it is not differentiable, and is."""

    def __call__(self, *args, **static):
        return exp(*args)


def overwriting(x):
    y = np.exp(x)
    if x.ndim and x.flags.writeable:
        x[...] = 0
    return y


def in_memory_order(x):
    return np.exp(np.ravel(x, order="K")).reshape(np.shape(x))


def partial_doubled(g, y, a, b, *, needs):
    factor = 1.0 if all(n is not None and n is not False for n in needs) else 2.0
    return pb.multiply(pb.multiply(g, b), factor), pb.multiply(g, a)


def noisy():
    count = itertools.count()
    return lambda x: np.exp(x) + 1e-9 * next(count)


def make_lying():
    lying = Lying("exp", "elementwise", np.exp, differentiable=False, samples=real((-2, 2)))
    lying.spec = exp.spec
    return lying


def tanh_with(kernel):
    """The hyperbolic tangent with another kernel on the way back."""
    return pb.tanh.replace(pullback=fused(pb.tanh.pullback.rule, kernel))


BROKEN = {
    "facets": [
        (exp.replace(words=""), "has no words"),
        (exp.replace(batch=None), "has no batch"),
        (exp.replace(onnx=None), "has no onnx"),
        (exp.replace(onnx=unsupported("")), "gives no reason"),
        (exp.replace(arguments=("x", "y")), "1 arrays for the arguments"),
        (softmax.replace(pullback=lambda g, y, x, *, needs, axis: (g * 1.01,)), "the body gives"),
    ],
    "formula": [
        (multiply.replace(formula="{a}", words="{a}"), "mention b"),
        (multiply.replace(formula="{{ {a} {b}"), "do not balance"),
        (multiply.replace(formula="{a} {b} {c}"), "names ['c']"),
    ],
    "value": [
        (exp.replace(evaluate=lambda x: np.exp(x) * (1 + 1e-9)), "the oracle gives"),
        (exp.replace(name="nobody knows"), "has no oracle"),
        (softmax.replace(evaluate=lambda x, *, axis: np.exp(x)), "the body gives"),
    ],
    "spec": [
        (exp.replace(spec=lambda x: Spec(x.shape, np.dtype(np.float64))), "the spec says float64"),
        (exp.replace(spec=lambda x: Spec((*x.shape, 1), x.dtype)), "the spec says"),
        (exp.replace(evaluate=lambda x: np.exp(np.asarray(x, np.float64))), "evaluate gives float64"),
    ],
    "special": [
        (exp.replace(special={0.0: 1.0 + 1e-15}), "the table says"),
        (exp.replace(special={-np.inf: -0.0}), "the table says"),
        (exp.replace(special={np.nan: 1.0}), "the table says"),
        (exp.replace(special_slope={0.0: 1.0 + 1e-15}), "derivative of exp with respect to x at 0.0, pullback"),
        (
            exp.replace(special={}, special_slope={0.0: 1.0}, pushforward=lambda ts, y, x: ts[0] * y * 2),
            "at 0.0, pushforward",
        ),
    ],
    "magnitudes": [
        (own_exp(lambda x, y: pb.divide(pb.square(y), y), uses=BOTH), "values are finite, the gradient of x is NaN"),
        (exp.replace(evaluate=lambda x: np.exp(x) if x.dtype == np.float64 else 1 / np.exp(-x) * 1.01), "value"),
    ],
    "adjoint": [
        (exp.replace(pushforward=lambda ts, y, x: ts[0] * y * (1 + 1e-9)), "not the transpose"),
        (exp.replace(pullback=lambda g, y, x, *, needs: (-g * y,)), "not the transpose"),
    ],
    "derivative": [
        (own_exp(lambda x, y: pb.multiply(y, 1.0001), uses=BOTH), "pushforward"),
        (exp.replace(pullback=lambda g, y, x, *, needs: (g * y * 1.0001,)), "pullback along random directions"),
        (pb.floor.replace(samples=fixed(lambda rng: [Sample((np.array([1.0]),))])), "do not settle"),
    ],
    "second": [
        (own_exp(lambda x, y: pb.stop_gradient(exp(x))), "finite differences of the gradient"),
        (exp.replace(pullback=lambda g, y, x, *, needs: (g * pb.stop_gradient(y),)), "over"),
    ],
    "subsets": [(multiply.replace(pullback=partial_doubled), "when all are asked for")],
    "uses": [(exp.replace(uses=INPUTS), ""), (multiply.replace(uses=exp.uses), "")],
    "kernels": [
        (tanh_with(lambda g, y, x, *, needs: (g * (1 - y * y) * (1 + 1e-15),)), "the rule gives"),
        (tanh_with(lambda g, y, x, *, needs: (np.float64(g * (1 - y * y)),)), "the rule gives"),
        (tanh_with(lambda g, y, x, *, needs: (g * (1 - y * y), None)), "the rule gives 1 cotangents, the kernel 2"),
        (tanh_with(lambda g, y, x, *, needs: (None,)), "the kernel None"),
    ],
    "vmap": [
        (sum_.replace(batch=lambda batched, xs, *, axis, keepdims: space.fold(xs[0], axis, keepdims)), ""),
        (exp.replace(batch=lambda batched, xs: pb.multiply(exp(xs[0]), 1.01)), "a loop gives"),
    ],
    "traced": [(exp.replace(evaluate=noisy()), "traced value")],
    "compiled": [
        (exp.replace(evaluate=lambda x: np.exp(x) * x.dtype.type(1 + 1e-5)), "value at element"),
        (exp.replace(lower="expm1"), "compiled gives"),
        (sum_.replace(lower="max"), "compiled gives"),
        (own_exp(lambda x, y: exp.replace(lower="expm1")(x)), "gradient"),
        (exp.replace(lower="abs", samples=fixed(lambda rng: [Sample((np.zeros(0),))])), "exp(-inf): compiled"),
        (exp.replace(evaluate=overwriting, lower=unsupported("it is not written")), ""),
    ],
    "inputs": [
        (exp.replace(evaluate=overwriting), ""),
        (exp.replace(evaluate=in_memory_order), "Fortran-ordered inputs"),
    ],
    "memory": [(exp.replace(uses=INPUTS, pullback=lambda g, y, x, *, needs: (x,)), "shares memory with input x")],
    "integers": [(make_lying(), "requires_grad=True")],
}


def test_every_law_is_broken_by_something():
    assert BROKEN.keys() == LAWS.keys()


@pytest.mark.parametrize(
    ("law", "number"), [(law, i) for law, cases in BROKEN.items() for i in range(len(cases))], ids=str
)
def test_a_wrong_mapping_breaks_the_law(law, number):
    mapping, words = BROKEN[law][number]
    outcome = judge(Subject(mapping), LAWS[law])
    assert outcome.status == "broken", outcome
    assert words in outcome.detail


@pytest.mark.parametrize("law", list(LAWS))
def test_the_mappings_that_the_wrong_ones_are_made_from_keep_the_laws(law):
    for mapping in (exp, multiply, softmax, sum_, pb.tanh):
        assert judge(Subject(mapping), LAWS[law]).status != "broken"


def test_an_exception_inside_a_mapping_is_a_finding_and_not_a_crash():
    def fails(x):
        raise ZeroDivisionError("inside")

    outcome = judge(Subject(exp.replace(evaluate=fails)), LAWS["value"])
    assert outcome.status == "broken"
    assert "ZeroDivisionError: inside" in outcome.detail


def test_check_mapping_raises_with_every_counterexample():
    wrong = exp.replace(special={0.0: 2.0}, formula="")
    with pytest.raises(LawBroken, match=r"(?s)breaks the law 'formula'.*breaks the law 'special'"):
        check_mapping(wrong)
    assert {outcome.status for outcome in check_mapping(exp)} == {"kept", "not applicable"}
