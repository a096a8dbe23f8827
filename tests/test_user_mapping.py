"""Mappings of one's own: declared in a few lines, derived where possible, refused with the code to write elsewhere."""

import numpy as np
import pytest

import pullback as pb
from pullback.core.samples import real
from pullback.testing import GradcheckError, check_mapping


def cube_mapping():
    @pb.mapping
    def cube(x):
        """The third power."""
        return x**3

    @cube.derivative
    def _(x, y):
        return 3 * x**2

    return cube


def softmax_mapping():
    @pb.mapping
    def softmax(x, *, temperature=1.0):
        e = np.exp((x - x.max()) / temperature)
        return e / e.sum()

    @softmax.pullback
    def _(g, y, x, *, temperature):
        return y * (g - np.sum(g * y)) / temperature

    return softmax


X = np.array([0.5, -1.0, 2.0])


# ------------------------------------------------------------------------------------------- elementwise


def test_a_scalar_in_the_manner_of_micrograd():
    cube = cube_mapping()
    x = pb.value(2.0)
    y = cube(x)
    y.backward()
    assert (y.item(), x.grad.item()) == (8.0, 12.0)
    assert y.dtype == np.float32


def test_a_derivative_gives_every_transform():
    cube = cube_mapping()
    np.testing.assert_allclose(pb.jacobian(cube)(X).numpy(), np.diag(3 * X**2))
    np.testing.assert_allclose(pb.jvp(cube, (X,), (np.ones(3),))[1].numpy(), 3 * X**2)
    np.testing.assert_allclose(pb.vmap(pb.grad(cube))(X).numpy(), 3 * X**2)
    np.testing.assert_allclose(pb.hessian(lambda x: pb.sum(cube(x)))(X).numpy(), np.diag(6 * X))
    assert pb.grad(pb.grad(pb.grad(cube)))(2.0).item() == 6.0
    assert pb.trace(pb.grad(cube))(np.float64(2.0)).item() == 12.0


def test_it_is_held_to_the_contract_like_any_other():
    @pb.mapping(samples=real((-2, 2), (0.5, 2)), formula=r"{a}^2 \cdot {b}")
    def product(a, b):
        return a * a * b

    @product.derivative("a")
    def _(a, b, y):
        return 2 * a * b

    @product.derivative(1)
    def _(a, b, y):
        return a * a

    outcomes = check_mapping(product)
    assert {o.law for o in outcomes if o.status == "kept"} >= {"adjoint", "derivative", "second", "vmap", "traced"}


def test_broadcast_arguments_get_gradients_of_their_own_shape():
    @pb.mapping
    def scaled(x, w):
        return x * w

    @scaled.pullback
    def _(g, y, x, w):
        return g * w, g * x  # un-broadcasting is not the rule's business

    x, w = np.ones((4, 3)), np.array([1.0, 2.0, 3.0])
    gx, gw = pb.grad(lambda x, w: pb.sum(scaled(x, w)), argnums=(0, 1))(x, w)
    assert gx.shape == (4, 3)
    np.testing.assert_allclose(gw.numpy(), [4, 4, 4])


def test_numpy_functions_in_a_rule_can_be_differentiated_again():
    @pb.mapping
    def wave(x):
        return np.sin(x)

    @wave.derivative
    def _(x, y):
        return np.cos(x)

    np.testing.assert_allclose(pb.vmap(pb.grad(pb.grad(wave)))(X).numpy(), -np.sin(X))


def test_float32_stays_float32():
    cube = cube_mapping()
    x = pb.tensor(X, dtype=np.float32, requires_grad=True)
    pb.sum(cube(x)).backward()
    assert cube(x).dtype == x.grad.dtype == np.float32


# ---------------------------------------------------------------------------------- a pullback for any function


def test_a_pullback_alone_gives_reverse_forward_batch_and_second_order():
    softmax = softmax_mapping()
    y = softmax(X).numpy()
    jacobian = np.diag(y) - np.outer(y, y)
    np.testing.assert_allclose(pb.jacobian(softmax, mode="reverse")(X).numpy(), jacobian, atol=1e-15)
    np.testing.assert_allclose(pb.jacobian(softmax, mode="forward")(X).numpy(), jacobian, atol=1e-15)
    t = np.array([1.0, 2.0, -1.0])
    np.testing.assert_allclose(pb.jvp(softmax, (X,), (t,))[1].numpy(), jacobian @ t, atol=1e-15)
    both = np.stack([X, 2 * X])
    expected = np.stack([softmax(row).numpy() for row in both])
    np.testing.assert_allclose(pb.vmap(softmax)(both).numpy(), expected)
    u = np.array([1.0, 0.0, 2.0])
    hessian = pb.hessian(lambda x: pb.sum(softmax(x) * u))(X).numpy()
    want = pb.hessian(lambda x: pb.sum(pb.softmax(x) * u))(X).numpy()
    np.testing.assert_allclose(hessian, want, atol=1e-14)


def test_static_parameters_reach_function_and_rule_with_their_defaults():
    softmax = softmax_mapping()
    assert softmax.check(X).ok
    assert softmax.check(X, temperature=2.5).ok
    with pytest.raises(TypeError, match="keyword-only, which makes it a static parameter"):
        softmax(X, temperature=pb.tensor(2.0))
    with pytest.raises(TypeError, match="unexpected keyword"):
        softmax(X, heat=2.0)


def test_several_outputs():
    @pb.mapping(outputs=2)
    def polar(x, y):
        return np.hypot(x, y), np.arctan2(y, x)

    @polar.pullback
    def _(g, out, x, y):
        (gr, ga), (r, a) = g, out
        return gr * np.cos(a) - ga * np.sin(a) / r, gr * np.sin(a) + ga * np.cos(a) / r

    assert polar.check(1.0, 2.0).ok
    r, a = pb.vmap(polar)(np.array([3.0, 0.0]), np.array([4.0, 1.0]))
    np.testing.assert_allclose(r.numpy(), [5, 1])
    np.testing.assert_allclose(a.numpy(), np.arctan2([4, 1], [3, 0]))
    assert pb.grad(lambda x: polar(x, 4.0)[0])(3.0).item() == pytest.approx(0.6)


@pytest.mark.parametrize("leave", [lambda g: np.array(g, dtype=float), pb.stop_gradient])
def test_a_rule_that_leaves_the_graph_is_refused_in_forward_mode_and_not_silently_zero(leave):
    @pb.mapping
    def double(x):
        return 2 * x

    @double.pullback
    def _(g, y, x):
        return 2 * leave(g)

    assert double.check(X).ok
    with pytest.raises(pb.UnsupportedError, match=r"(?s)(as a NumPy array|plain array).*@double.pushforward"):
        pb.jvp(double, (X,), (X,))

    @double.pushforward
    def _(ts, y, x):
        return 2 * ts[0]

    np.testing.assert_allclose(pb.jvp(double, (X,), (X,))[1].numpy(), 2 * X)


def test_a_rule_that_is_not_linear_is_refused_in_forward_mode():
    @pb.mapping
    def double(x):
        return 2 * x

    @double.pullback
    def _(g, y, x):
        return g * g

    with pytest.raises(pb.UnsupportedError, match="not linear in g"):
        pb.jvp(double, (X,), (X,))


def test_declared_batch_and_spec_are_used():
    seen = []

    @pb.mapping
    def norm(x):
        return np.sqrt(np.sum(x * x))

    @norm.batch
    def _(batched, xs):
        seen.append("batch")
        return pb.sqrt(pb.sum(xs[0] * xs[0], axis=-1))

    @norm.spec
    def _(x):
        seen.append("spec")
        return (), x.dtype

    np.testing.assert_allclose(pb.vmap(norm)(np.eye(3) * 2).numpy(), [2, 2, 2])
    assert pb.trace(norm)(X).item() == pytest.approx(np.linalg.norm(X))
    assert set(seen) == {"batch", "spec"}


def test_a_batch_of_no_examples_has_the_right_shape():
    softmax = softmax_mapping()
    assert pb.vmap(softmax)(np.zeros((0, 3))).shape == (0, 3)


# ----------------------------------------------------------------------------------------------- refusals


def test_without_a_rule_it_evaluates_and_a_gradient_is_refused_with_the_code_to_write():
    @pb.mapping
    def plain(x, y):
        return x + y

    assert plain(1.0, 2.0).item() == 3.0
    with pytest.raises(pb.GradientError) as caught:
        pb.grad(plain)(1.0, 2.0)
    assert '@plain.derivative("x")\n  def _(x, y, out):' in str(caught.value)
    assert "@plain.pullback\n  def _(g, out, x, y):" in str(caught.value)
    with pytest.raises(pb.GradientError, match="no derivative is declared"):
        pb.jvp(plain, (1.0, 2.0), (1.0, 0.0))


def test_one_missing_derivative_is_named():
    @pb.mapping
    def product(a, b):
        return a * b

    @product.derivative("a")
    def _(a, b, y):
        return b

    assert pb.grad(product)(2.0, 3.0).item() == 3.0
    with pytest.raises(pb.GradientError, match=r'@product.derivative\("b"\)'):
        pb.grad(product, argnums=1)(2.0, 3.0)


def test_a_derivative_of_several_arguments_must_say_which():
    @pb.mapping
    def product(a, b):
        return a * b

    with pytest.raises(TypeError, match=r'@product.derivative\("a"\)'):
        product.derivative(lambda a, b, y: b)
    with pytest.raises(ValueError, match="no argument 'c'"):
        product.derivative("c")


@pytest.mark.parametrize(
    ("rule", "error", "words"),
    [
        (lambda g, y, x: np.sum(g), pb.ShapeError, r"pullback rule of f returned a cotangent of shape \(\) for x"),
        (lambda g, y, x: (g, g), pb.ShapeError, "which makes 1; it returned 2"),
        (lambda g, y, x: g * 1j, TypeError, "returned a complex128 for x"),
    ],
)
def test_what_a_pullback_returns_is_checked(rule, error, words):
    @pb.mapping
    def f(x):
        return x * 2

    f.pullback(rule)
    with pytest.raises(error, match=words):
        pb.grad(lambda x: pb.sum(f(x)))(X)


def test_a_derivative_that_is_no_elementwise_one_is_refused():
    @pb.mapping
    def f(x):
        return x * 2

    f.derivative(lambda x, y: np.eye(3))
    with pytest.raises(pb.ShapeError, match=r"has shape \(3, 3\), but the value has shape \(3,\)"):
        pb.grad(lambda x: pb.sum(f(x)))(X)


def test_an_input_cannot_be_changed_and_no_result_is_an_input():
    @pb.mapping
    def clumsy(x):
        x *= 2
        return x

    with pytest.raises(ValueError, match="read-only") as caught:
        clumsy(X)
    assert any("copy first" in note for note in caught.value.__notes__)

    @pb.mapping
    def same(x):
        return x

    @same.pullback
    def _(g, y, x):
        return g

    x, u = X.copy(), np.ones(3)
    y, back = pb.vjp(same, x)
    assert not np.shares_memory(y.numpy(), x)
    assert not np.shares_memory(back(u)[0].numpy(), u)

    same.pullback(lambda g, y, x: x)
    assert not np.shares_memory(pb.vjp(same, x)[1](u)[0].numpy(), x)


def test_functions_that_cannot_be_mappings_are_refused():
    with pytest.raises(TypeError, match=r"parameter \*xs"):
        pb.mapping(lambda *xs: xs)
    with pytest.raises(TypeError, match="no positional parameter"):
        pb.mapping(lambda: 1.0)
    with pytest.raises(TypeError, match=r"outputs=2"):
        pb.mapping(lambda x: (x, x))(X)
    with pytest.raises(TypeError, match="must return numbers"):
        pb.mapping(lambda x: "text")(X)


# -------------------------------------------------------------------------------------------------- check


def checked(function, *rules, example):
    made = pb.mapping(function)
    for argument, rule in zip(made.arguments, rules, strict=True):
        made.derivative(argument)(rule)
    return made.check(*example)


def test_check_says_what_was_proved():
    report = cube_mapping().check(X)
    assert report.ok
    assert "9 derivatives checked against finite differences: all agree" in str(report)


@pytest.mark.parametrize(
    ("rule", "hint"),
    [
        (lambda x, y: -3 * x**2, "the sign is flipped"),
        (lambda x, y: 1.5 * x**2, "a factor 2 is missing"),
        (lambda x, y: 3 * x, "a factor x is missing"),
        (lambda x, y: 3 * x**2 / y, "a factor y is missing"),
        (lambda x, y: 3 * x**2 * y, "a factor y is too many"),
        (lambda x, y: 0 * x, "the rule gives 0 everywhere"),
    ],
)
def test_check_shows_the_counterexample_and_what_it_looks_like(rule, hint):
    with pytest.raises(GradcheckError) as caught:
        checked(lambda x: x**3, rule, example=(np.array([0.5, -1.5, 2.0]),))
    assert "∂f[0]/∂x[0]: gradient" in str(caught.value)
    assert "finite difference 0.75" in str(caught.value)
    assert hint in str(caught.value)


def test_check_names_the_argument_that_is_wrong():
    with pytest.raises(GradcheckError, match="b: it looks as if a factor 2 is missing") as caught:
        checked(
            lambda a, b: a * b**2,
            lambda a, b, y: b**2,
            lambda a, b, y: a * b,
            example=(np.array([1.0, 2.0, 3.0]), np.array([2.0, -1.0, 5.0])),
        )
    assert {entry.argument for entry in caught.value.report.failures} == {"b"}


def test_check_gives_no_hint_where_the_ratio_looks_like_nothing():
    with pytest.raises(GradcheckError) as caught:
        checked(lambda x: x**3, lambda x, y: 3 * x**2 + np.cos(x), example=(X,))
    assert "hint" not in str(caught.value)


def test_check_holds_a_pushforward_to_the_pullback():
    softmax = softmax_mapping()

    @softmax.pushforward
    def _(ts, y, x):
        return 2 * y * (ts[0] - np.sum(ts[0] * y))

    with pytest.raises(GradcheckError, match=r"pushforward rule disagrees.*\(ratio 2\)"):
        softmax.check(X)


def test_it_introduces_itself_as_the_function_that_it_was():
    cube = cube_mapping()
    assert cube.__name__ == cube.mapping.name == "cube"
    assert cube.__doc__ == "The third power."
    assert cube.mapping.family == "user"
    assert "cube" not in pb.core.mapping.CATALOGUE
    assert cube.mapping.formula.format(x="z") == r"\operatorname{cube}(z)"
