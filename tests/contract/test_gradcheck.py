"""gradcheck: it accepts what is right, and names the counterexample of what is wrong."""

import numpy as np
import pytest

import pullback as pb
from pullback.testing import GradcheckError, gradcheck
from pullback.testing.differences import one_sided, slope


@pytest.mark.parametrize("f", [np.exp, np.sin, lambda x: x**5, lambda x: 1 / x, lambda x: np.log(x)])
def test_extrapolated_differences_are_accurate_and_know_it(f):
    x = np.array([0.7, 1.3, 2.9])
    exact = {np.exp: np.exp(x), np.sin: np.cos(x)}.get(f)
    if exact is None:
        z = x + 1e-30j  # the complex step has no cancellation
        exact = f(z).imag / 1e-30
    got, error = slope(lambda t: f(x + t))
    assert np.all(np.abs(got - exact) <= 1e-10 * np.abs(exact))
    assert np.all(np.abs(got - exact) <= 20 * error + 1e-15)


def test_steps_that_cross_a_kink_or_leave_the_domain_are_not_used():
    x = np.array([0.004, -0.003, 0.011])
    got, error = slope(lambda t: np.abs(x + t), halvings=12)
    np.testing.assert_allclose(got, np.sign(x), rtol=1e-9)
    got, error = slope(lambda t: np.log(np.array([0.005]) + t), halvings=12)
    np.testing.assert_allclose(got, 200, rtol=1e-6)
    assert np.isfinite(error).all()


def test_a_kink_has_two_slopes():
    left, right = one_sided(lambda t: np.abs(np.array([t])) + t)
    np.testing.assert_allclose([left[0], right[0]], [0, 2], atol=1e-9)


def test_right_gradients_of_several_nested_arguments():
    def f(parameters, x, labels):
        h = pb.tanh(x @ parameters["w"] + parameters["b"])
        return pb.sum(h * h) + labels[0] * 0.0, h

    rng = np.random.default_rng(0)
    parameters = {"w": rng.normal(size=(3, 2)), "b": rng.normal(size=2)}
    report = gradcheck(f, parameters, rng.normal(size=(4, 3)), np.array([1, 2]))
    assert report.ok
    assert report.checked == (6 + 2 + 12) * (1 + 8)
    assert report.worst < 1e-7


def test_float32_is_checked_in_float64():
    report = gradcheck(lambda x: pb.sum(pb.exp(x)), np.array([0.1, 0.2], np.float32))
    assert report.worst < 1e-9


def test_a_wrong_gradient_is_named_with_element_values_and_ratio():
    wrong = pb.square.replace(pullback=lambda g, y, x, *, needs: (pb.multiply(g, x),))
    with pytest.raises(GradcheckError) as caught:
        gradcheck(lambda x: pb.sum(wrong(x)), np.array([[0.0, 3.0]]))
    assert "∂f/∂x[0, 1]: gradient 3, finite difference 6" in str(caught.value)
    assert "(ratio 0.5)" in str(caught.value)
    assert [entry.element for entry in caught.value.report.failures] == [(0, 1)]


def test_an_error_of_one_in_a_hundred_thousand_is_found():
    wrong = pb.square.replace(pullback=lambda g, y, x, *, needs: (pb.multiply(g, x * (2 + 2e-5)),))
    with pytest.raises(GradcheckError):
        gradcheck(wrong, np.array([1.0, 2.0]))


def test_a_kink_is_reported_and_not_held_against_the_function():
    report = gradcheck(pb.abs, np.array([-1.0, 0.0, 2.0]))
    assert report.ok
    (kink,) = [entry for entry in report.kinks if entry.output == entry.element]
    assert kink.element == (1,)
    assert "kink" in str(report)


def test_a_gradient_outside_the_two_slopes_of_a_kink_is_wrong():
    wrong = pb.abs.replace(pullback=lambda g, y, x, *, needs: (pb.multiply(g, pb.sign(x) + 3 * (1 - pb.sign(x) ** 2)),))
    with pytest.raises(GradcheckError, match="kink with slope -1 before and 1 after"):
        gradcheck(wrong, np.array([-1.0, 0.0, 2.0]))


def test_big_arguments_are_sampled_and_the_report_says_so():
    report = gradcheck(lambda x: pb.sum(x * x), np.arange(1000.0))
    assert report.sampled
    assert report.checked == 256
    assert "a random choice" in str(report)


def test_there_must_be_something_to_check():
    with pytest.raises(pb.GradientError, match="no argument is a real floating array"):
        gradcheck(lambda x: x, np.array([1, 2]))
    with pytest.raises(pb.GradientError, match="no value of the function"):
        gradcheck(lambda x: x > 0, np.array([1.0, 2.0]))
