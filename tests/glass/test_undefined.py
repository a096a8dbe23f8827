"""Gradients that are NaN or infinite say where that arose first: on the way forward, or on the way back."""

import re

import numpy as np
import pytest

import pullback as pb
from pullback import nn
from pullback.glass.language import text
from pullback.glass.receipt import REASONS

F8 = np.float64
FORWARD, BACKWARD = "not finite forward", "not finite backward"


def leaf(*values):
    return pb.tensor(np.array(values, F8) if len(values) > 1 else F8(values[0]), requires_grad=True)


CASES = {}


def case(code, mapping, *said):
    """Enter a case: which code, which mapping it names, and what its English words must contain."""

    def enter(make):
        CASES[make.__name__] = (code, mapping, said, make)
        return make

    return enter


@case(FORWARD, "log", "NaN", "x = −1")
def a_logarithm_of_a_negative_number():
    x, y = leaf(-1.0), leaf(2.0)
    return pb.log(x) * y, y, None, locals()


@case(FORWARD, "divide", "NaN of x = 0, y = 0")
def nothing_divided_by_nothing():
    x, y = leaf(0.0), leaf(0.0)
    return x / y, y, None, locals()


@case(FORWARD, "exp", "makes ∞ of", "= 10000")
def an_exponential_that_overflows():
    x = leaf(100.0)
    return pb.exp(x * x), x, None, locals()


@case(FORWARD, "log", "makes −∞ of x[1] = 0")
def the_element_asked_about_and_not_another():
    x = leaf(1.0, 0.0, -1.0)
    return pb.sum(pb.log(x) * x), x, (1,), locals()


@case(FORWARD, None, "X itself holds NaN")
def data_that_holds_nan():
    net = nn.Linear(2, 3)
    X = pb.tensor(np.array([[1.0, np.nan], [1, 2]], np.float32))
    return nn.CrossEntropyLoss()(net(X), pb.tensor([0, 1])), net.weight, None, locals()


@case(FORWARD, "linear", "makes NaN of", "The ∞ in it was made by linear")
def a_first_layer_that_overflows():
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2))
    net[0].weight.data = np.full((3, 2), 1e38, np.float32)
    net[2].weight.data = np.array([[1, -1, 1], [-1, 1, 1]], np.float32)
    X = pb.tensor(np.array([[1.0, 30], [1, 2]], np.float32))
    return nn.CrossEntropyLoss()(net(X), pb.tensor([0, 1])), net[2].weight, None, locals()


@case(FORWARD, "softmax", "makes NaN of", "The −∞ in it is from mask")
def a_row_that_is_masked_altogether():
    scores, mask = leaf(1.0, 2.0), np.full(2, -np.inf)
    return pb.sum(pb.softmax(scores + mask) ** 2), scores, (0,), locals()


@case(BACKWARD, "sqrt", "at v3 = 0 the slope of sqrt is ∞", "pow makes NaN of ∞ · 0")
def a_length_by_hand_at_the_origin():
    x, y = leaf(0.0), leaf(0.0)
    return pb.sqrt(x**2 + y**2), x, None, locals()


@case(BACKWARD, "sqrt", "at x = 0 the slope of sqrt is ∞")
def a_root_at_zero():
    x = leaf(0.0)
    return pb.sqrt(x), x, None, locals()


@case(BACKWARD, "log", "0 · ∞ has no value")
def a_branch_that_is_not_taken_but_still_differentiated():
    x = leaf(0.0, 2.0)
    return pb.sum(pb.where(x > 0, pb.log(x), 0 * x)), x, (0,), locals()


@case(BACKWARD, "sqrt", "∞ and −∞ meet")
def infinities_of_both_signs():
    x = leaf(0.0)
    return pb.sqrt(x) - pb.sqrt(x), x, None, locals()


@case(BACKWARD, "multiply", "1e200 · 1e200", "larger than float64 can hold")
def a_gradient_that_overflows():
    x = leaf(1e-200)
    return (x * 1e200) * 1e200, x, None, locals()


@case(BACKWARD, None, "a hook")
def a_hook_that_divides_by_zero():
    w = leaf(1.0, 2.0)
    w.register_hook(lambda g: g * np.nan)
    return pb.sum(w * w), w, (0,), locals()


@case(BACKWARD, None, "a hook")
def a_hook_in_the_middle():
    w = leaf(1.0, 2.0)
    h = w * 2
    h.register_hook(lambda g: g * np.inf)
    return pb.sum(h * h), w, (0,), locals()


@case(BACKWARD, "steep", "the slope of steep is NaN")
def a_rule_of_ones_own():
    @pb.mapping
    def steep(x):
        return x * 2

    @steep.derivative
    def _(x, y):
        return 0 * x / (x - x)

    w = leaf(1.0, 2.0)
    return pb.sum(steep(w)), w, (0,), locals()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", CASES)
def test_where_it_arose_is_named(name):
    code, mapping, said, make = CASES[name]
    loss, wrt, index, variables = make()
    names = {name: x for name, x in variables.items() if isinstance(x, pb.Tensor | np.ndarray)}
    receipt = pb.explain(loss, wrt, index=index, names=names, lang="en")
    assert receipt.gradient is not None and not np.isfinite(receipt.gradient)
    reason = receipt.reason
    assert reason.code == code and reason.code in REASONS and reason.mapping == mapping, reason
    for part in said:
        assert part in reason.words, reason
    if mapping is not None:
        assert reason.origin.file == __file__ and reason.origin.line
    assert receipt.agrees, receipt
    assert reason.words in receipt.text("en", width=10_000)
    chinese = pb.explain(loss, wrt, index=index, names=names, lang="zh").reason
    assert chinese.code == code and chinese.words != reason.words
    assert re.search("[\u4e00-\u9fff]", text(f"receipt.code.{code}", "zh"))


def test_a_finite_gradient_of_a_loss_that_is_not_finite_is_not_said_to_move_it():
    x, y = leaf(-1.0), leaf(2.0)
    with np.errstate(all="ignore"):
        loss = pb.log(x) * y
    receipt = pb.explain(loss, x, lang="en")
    assert receipt.gradient == -2
    assert "loss is NaN, which neither rises nor falls" in receipt.text()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_rows_that_are_nan_come_first_and_the_others_in_their_order():
    x = leaf(0.0)
    loss = x * 2 + pb.sqrt(x * x) + x * 5 + x * 3
    products = [row.product for row in pb.explain(loss, x).rows]
    assert np.isnan(products[0]) and np.isnan(products[1]) and products[2:] == [5, 3, 2]
