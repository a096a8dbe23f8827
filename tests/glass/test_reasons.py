"""Fifty graphs, each broken on purpose in one way: the reason for the zero or missing gradient is the right one."""

import numpy as np
import pytest

import pullback as pb
from pullback import nn
from pullback.glass.receipt import REASONS

F8 = np.float64


def leaf(*values):
    return pb.tensor(np.array(values, F8) if len(values) > 1 else F8(values[0]), requires_grad=True)


def rows(*lists):
    return pb.tensor(np.array(lists, F8), requires_grad=True)


BROKEN = {}


def broken(reason):
    """Enter a case: a function that returns the loss (or a function that computes it), wrt, and an index or None."""

    def enter(make):
        BROKEN[make.__name__] = (reason, make)
        return make

    return enter


# ------------------------------------------------------------------------------------ not on any path


@broken("not on any path")
def another_parameter():
    w, unused = leaf(1.0), leaf(2.0)
    return lambda: w * w, unused, None


@broken("not on any path")
def an_overwritten_variable():
    w, x = leaf(2.0), leaf(3.0)

    def loss():
        h = w * x
        h = x * x  # the author meant h * x
        return h + 1

    return loss, w, None


@broken("not on any path")
def a_layer_that_is_not_called():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    return lambda: net[0](pb.ones((3, 2))).sum(), net[1].weight, None


@broken("not on any path")
def an_embedding_row_that_no_word_uses():
    table = rows([1, 2], [3, 4], [5, 6])
    return pb.sum(pb.take(table, np.array([0, 2, 2]), axis=0) ** 2), table, (1, 0)


@broken("not on any path")
def an_element_outside_the_slice():
    w = leaf(1.0, 2.0, 3.0)
    return pb.sum(w[:2] ** 2), w, (2,)


@broken("not on any path")
def the_lower_triangle_is_cut_away():
    w = rows([1, 2], [3, 4])
    return pb.sum(pb.triu(w) ** 2), w, (1, 0)


@broken("not on any path")
def a_copy_made_through_numpy_of_another_tensor():
    w, v = leaf(1.0, 2.0), leaf(3.0, 4.0)
    return lambda: pb.sum(pb.tensor(v.numpy()) * v), w, None


# ------------------------------------------------------------------------------------------- constant


@broken("constant")
def data_without_requires_grad():
    w, x = leaf(2.0), pb.tensor(F8(3))
    return w * x, x, None


@broken("constant")
def a_frozen_parameter():
    net = nn.Linear(2, 1)
    net.weight.requires_grad_(False)
    return net(pb.ones((1, 2))).sum(), net.weight, None


@broken("constant")
def a_buffer():
    scale, w = nn.Buffer(np.ones(2)), leaf(1.0, 2.0)
    return pb.sum(w * scale), scale, None


@broken("constant")
def rounding():
    w = leaf(1.4, 2.6)
    return pb.sum(pb.round(w) ** 2), w, (1,)


@broken("constant")
def the_sign():
    w = leaf(1.4, -2.6)
    return pb.sum(pb.sign(w) * 3.0), w, (0,)


@broken("constant")
def a_step_function_of_ones_own():
    @pb.mapping
    def step(x):
        return (x > 0) * 1.0

    @step.derivative
    def _(x, y):
        return 0 * x

    w = leaf(2.0, 3.0)
    return pb.sum(step(w)), w, (0,)


@broken("constant")
def floor_behind_a_layer():
    w = leaf(0.5, 1.5)
    return pb.sum(pb.floor(w * 3.0)), w, (0,)


# ------------------------------------------------------------------------------------------- detached


@broken("detached")
def detach_in_the_middle():
    w, v = leaf(2.0), leaf(3.0)
    return lambda: (w * 2).detach() * v, w, None


@broken("detached")
def detach_of_the_parameter_itself():
    w, v = leaf(2.0, 1.0), leaf(3.0, 1.0)
    return lambda: pb.sum(w.detach() * v), w, None


@broken("detached")
def data_instead_of_the_tensor():
    w, v = leaf(2.0, 1.0), leaf(3.0, 1.0)
    return lambda: pb.sum(w.data * v), w, None


@broken("detached")
def stop_gradient():
    w, v = leaf(2.0, 1.0), leaf(3.0, 1.0)
    return lambda: pb.sum(pb.stop_gradient(pb.tanh(w)) * v), w, None


@broken("detached")
def detach_two_steps_before_its_use():
    w, v = leaf(2.0, 1.0), leaf(3.0, 1.0)

    def loss():
        target = pb.exp(w).detach()
        target = target / 2 + 1
        return pb.sum((v - target) ** 2)

    return loss, w, None


@broken("detached")
def a_number_taken_out_with_item():
    w, v = leaf(2.0), leaf(3.0)
    return lambda: v * pb.sqrt(w).item(), w, None


@broken("detached")
def through_numpy_and_back():
    w, v = leaf(2.0, 1.0), leaf(3.0, 1.0)
    return lambda: pb.sum(v * pb.tensor(np.tanh((w * 2).numpy()))), w, None


@broken("detached")
def a_detached_result_asked_for():
    w = leaf(2.0, 1.0)
    with pb.keep_values():
        h = (w * 2).detach()
    return lambda: pb.sum(h * w), h, None


# -------------------------------------------------------------------------------------------- no_grad


@broken("no_grad")
def features_computed_in_no_grad():
    w, v = leaf(2.0, 1.0), leaf(3.0, 1.0)

    def loss():
        with pb.no_grad():
            h = pb.tanh(w)
        return pb.sum(h * v)

    return loss, w, None


@broken("no_grad")
def the_whole_loss_in_no_grad():
    w = leaf(2.0, 1.0)

    @pb.no_grad()
    def loss():
        return pb.sum(w * w)

    return loss, w, None


@broken("no_grad")
def an_encoder_in_no_grad():
    encoder, head = nn.Linear(3, 2), nn.Linear(2, 1)

    def loss():
        with pb.no_grad():
            h = pb.relu(encoder(pb.ones((4, 3))))
        return head(h).sum()

    return loss, encoder.weight, None


@broken("no_grad")
def no_grad_and_then_further_constants():
    w, v = leaf(2.0, 1.0), leaf(3.0, 1.0)

    def loss():
        with pb.no_grad():
            h = w * 3
        mean = pb.sum(h) / 2
        return pb.sum(v) * mean

    return loss, w, None


# -------------------------------------------------------------------------------------------- integer


@broken("integer")
def an_integer_tensor():
    ids, w = pb.tensor(np.array([1, 2])), leaf(2.0, 1.0)
    return pb.sum(w * ids), ids, None


@broken("integer")
def cast_to_integers():
    w, v = leaf(2.2, 1.7), leaf(3.0, 1.0)
    return lambda: pb.sum(w.astype(np.int64) * v), w, None


@broken("integer")
def a_comparison():
    w, v = leaf(2.2, 1.7), leaf(3.0, 1.0)
    return lambda: pb.sum((w > 2) * v), w, None


@broken("integer")
def the_position_of_the_largest():
    w, v = leaf(2.2, 1.7), leaf(3.0, 1.0)
    return lambda: v[0] * pb.argmax(w), w, None


# ------------------------------------------------------------------------------------------- mask off


@broken("mask off")
def the_branch_not_taken():
    w = leaf(2.0, -1.0)
    return pb.sum(pb.where(np.array([True, False]), w * w, 0.0)), w, (1,)


@broken("mask off")
def a_zero_one_mask():
    w = leaf(2.0, 1.0, 3.0)
    return pb.sum(pb.tanh(w) * np.array([1.0, 0.0, 1.0])), w, (1,)


@broken("mask off")
def dropout():
    pb.random.manual_seed(0)
    w = pb.tensor(np.linspace(1, 2, 40), requires_grad=True)
    dropped = nn.functional.dropout(w, 0.5)
    index = int(np.flatnonzero(dropped.numpy() == 0)[0])
    return pb.sum(dropped**2 + dropped), w, (index,)


@broken("mask off")
def not_the_largest():
    w = leaf(2.0, 1.0, 3.0)
    return pb.max(w) ** 2, w, (0,)


@broken("mask off")
def the_smaller_of_two():
    w, v = leaf(1.0, 5.0), leaf(2.0, 4.0)
    return pb.sum(pb.maximum(w, v)), w, (0,)


@broken("mask off")
def an_attention_mask():
    scores = leaf(1.0, 2.0, 3.0)
    return pb.sum(pb.softmax(scores + np.array([0.0, -np.inf, 0.0])) * np.array([1.0, 2.0, 3.0])), scores, (1,)


# ------------------------------------------------------------------------------------------ saturated


@broken("saturated")
def a_sigmoid_far_out():
    w = leaf(800.0, 0.0)
    return pb.sum(pb.sigmoid(w)), w, (0,)


@broken("saturated")
def a_tanh_behind_a_large_weight():
    w = leaf(40.0, 0.1)
    return pb.sum(pb.tanh(w * 2.0)), w, (0,)


@broken("saturated")
def clipped():
    w = leaf(5.0, 0.5)
    return pb.sum(pb.clip(w, -1.0, 1.0) ** 2), w, (0,)


@broken("saturated")
def hardtanh():
    w = leaf(-5.0, 0.5)
    return pb.sum(pb.hardtanh(w)), w, (0,)


@broken("saturated")
def a_certain_classifier():
    logits = rows([900.0, 0.0], [0.3, 0.1])
    return nn.CrossEntropyLoss()(logits, pb.tensor(np.array([0, 1]))), logits, (0, 0)


# ------------------------------------------------------------------------------------------ dead unit


@broken("dead unit")
def a_relu_that_is_off():
    w = leaf(-2.0, 1.0)
    return pb.sum(pb.relu(w)), w, (0,)


@broken("dead unit")
def a_hidden_unit_off_for_every_sample():
    weight, x = rows([1, 1], [-1, -1]), pb.tensor(np.array([[1.0, 2.0], [3.0, 0.0], [2.0, 2.0]]))
    return pb.sum(pb.relu(x @ weight.T) ** 2), weight, (1, 0)


@broken("dead unit")
def exactly_at_the_kink_of_relu():
    w = leaf(0.0, 1.0)
    return pb.sum(pb.relu(w)), w, (0,)


@broken("dead unit")
def clipped_at_zero():
    w = leaf(-3.0, 1.0)
    return pb.sum(pb.maximum(w * 2, 0.0) * 3), w, (0,)


# --------------------------------------------------------------------------------- multiplied by zero


@broken("multiplied by zero")
def an_input_that_is_zero():
    weight, x = rows([1, 2], [3, 4]), pb.tensor(np.array([[0.0, 2.0]]))
    return pb.sum((x @ weight) ** 2), weight, (0, 1)


@broken("multiplied by zero")
def the_next_layer_starts_at_zero():
    first, second = rows([1, 2], [3, 4]), rows([0.0], [0.0])
    return pb.sum(pb.tanh(np.ones((1, 2)) @ first) @ second) + 1, first, (0, 0)


@broken("multiplied by zero")
def a_term_with_weight_zero():
    w = leaf(2.0, 1.0)
    return pb.sum(w**2) * 0.0 + 1, w, (0,)


@broken("multiplied by zero")
def a_product_with_two_other_zeros():
    w = leaf(2.0, 3.0)
    return pb.prod(pb.concat([w, np.zeros(2)])), w, (0,)


@broken("multiplied by zero")
def a_rule_that_multiplies_by_zero():
    @pb.mapping
    def twice(x):
        return x * 2

    @twice.pullback
    def _(g, y, x):
        return g * 0

    w = leaf(2.0, 3.0)
    return pb.sum(twice(w)), w, (0,)


@broken("multiplied by zero")
def the_bottom_of_a_parabola():
    w = leaf(0.0, 1.0)
    return pb.sum(w * w * w), w, (0,)


# ----------------------------------------------------------------------------------------------- kink


@broken("kink")
def an_absolute_value_at_zero():
    w = leaf(0.0, 1.0)
    return pb.sum(pb.abs(w * 2.0)), w, (0,)


@broken("kink")
def a_length_at_the_origin():
    w = leaf(0.0, 0.0)
    return pb.norm(w) * 2.0, w, (1,)


@broken("kink")
def a_spread_of_equal_numbers():
    w = leaf(3.0, 3.0)
    return pb.std(w), w, (0,)


# ------------------------------------------------------------------------------ cancelled, underflow


@broken("cancelled")
def a_difference_with_itself():
    w = leaf(2.0, 1.0)
    return pb.sum(w * 3.0 - w * 3.0 + 1.0), w, (0,)


@broken("cancelled")
def a_bias_in_front_of_a_normalisation():
    w = leaf(2.0, 1.0, 4.0)
    b = leaf(0.5)
    h = w + b
    return pb.sum((h - pb.mean(h)) * np.array([1.0, 0.0, 2.0]) + 0.0 * h), b, None


@broken("underflow")
def too_small_for_the_dtype():
    w = pb.tensor(np.array([1e-30, 1.0], np.float32), requires_grad=True)
    return pb.sum((w * np.float32(1e-30)) * np.float32(1e-20)), w, (1,)


@broken("underflow")
def an_exponential_that_vanishes():
    w = leaf(-800.0, 0.1)
    return pb.sum(pb.exp(w)), w, (0,)


@broken("not computed yet")
def before_backward():
    w = leaf(2.0, 1.0)
    return w, None, None


def test_there_are_fifty_and_every_reason_is_among_them():
    assert len(BROKEN) >= 50
    rest = {"not finite forward", "not finite backward"}  # neither zero nor missing: test_undefined.py
    assert {reason for reason, _ in BROKEN.values()} == set(REASONS) - rest


@pytest.mark.parametrize("name", BROKEN)
def test_the_reason_is_right(name):
    expected, make = BROKEN[name]
    loss, wrt, index = make()
    receipt = pb.explain(loss, wrt, index=index, lang="en")
    assert receipt.reason is not None, receipt
    assert receipt.reason.code == expected, receipt
    assert receipt.reason.words
    if receipt.reason.missing:
        assert receipt.gradient is None  # a missing gradient is never shown as 0
    else:
        assert receipt.gradient == 0 or expected == "cancelled"
    for lang in ("en", "zh"):
        assert receipt.reason.words in pb.explain(loss, wrt, index=index, lang="en").text("en", width=10_000)
        assert "{" not in pb.explain(loss, wrt, index=index, lang=lang).text()


# ------------------------------------------------------------------------------------ at a kink, it is named


AT_KINKS = {
    "abs": (lambda w: pb.sum(pb.abs(w)), (0.0, 1.0), "at 0 we choose 0"),
    "relu": (lambda w: pb.sum(pb.relu(w)), (0.0, 1.0), "at 0 we choose 0"),
    "sign": (lambda w: pb.sum(pb.sign(w)), (0.0, 1.0), "also at the jump at 0"),
    "floor": (lambda w: pb.sum(pb.floor(w)), (2.0, 0.5), "also at the jumps"),
    "norm": (lambda w: pb.norm(w), (0.0, 0.0), "at 0 we choose 0"),
    "max": (lambda w: pb.max(w), (2.0, 2.0), "elements that tie share the gradient evenly"),
    "maximum": (lambda w: pb.maximum(w[0], w[1]), (2.0, 2.0), "each gets half of the gradient"),
    "leaky_relu": (lambda w: pb.sum(nn.functional.leaky_relu(w)), (0.0, 1.0), "the slope of the negative side"),
    "relu6": (lambda w: pb.sum(nn.functional.relu6(w)), (6.0, 1.0), "at 0 and at 6 we choose 0"),
    "hardtanh": (lambda w: pb.sum(pb.hardtanh(w)), (1.0, 0.5), "at the ends of the interval we choose 0"),
    "std": (lambda w: pb.std(w), (3.0, 3.0), "where all elements are equal we choose 0"),
}


@pytest.mark.parametrize("name", AT_KINKS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_exactly_at_a_kink_the_choice_made_there_is_stated(name, dtype):
    program, values, choice = AT_KINKS[name]
    w = pb.tensor(np.array(values, dtype), requires_grad=True)
    receipt = pb.explain(program(w), w, index=0, lang="en")
    said = receipt.text("en", width=10_000)
    assert choice in said and receipt.check.verdict == "kink" and receipt.check.here, said
    assert name in {kink.mapping for kink in receipt.check.kinks}
    assert "has a kink at w[0]" in said or "jumps here" in said, said
    assert "stays as it is" not in said  # it does not
    if receipt.gradient == 0:
        assert receipt.reason.code != "multiplied by zero" and choice in receipt.reason.words


def test_a_kink_is_no_reason_where_nothing_would_come_through_anyway():
    x, y = leaf(0.0), leaf(-1.0)
    receipt = pb.explain(pb.abs(x) * pb.relu(y), x, lang="en")
    assert (receipt.reason.code, receipt.reason.mapping) == ("multiplied by zero", "multiply")
    assert receipt.check.verdict == "agrees"


@pytest.mark.parametrize("x", [-1e-3, 1e-3, -0.5, 2.0])
def test_beside_a_kink_none_is_claimed(x):
    w = leaf(x, 1.0)
    for program in (pb.abs, pb.relu):
        receipt = pb.explain(pb.sum(program(w)), w, index=0, lang="en")
        assert receipt.check.verdict == "agrees" and "kink" not in receipt.text("en")
