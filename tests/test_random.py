"""Random streams: reproducible, independent, state like any other, and clear about batches."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pullback as pb
from pullback import random
from pullback.core.errors import DtypeError, PullbackError
from pullback.data import ArrayDataset, DataLoader
from pullback.data.dataset import permutation


@pytest.fixture(autouse=True)
def start():
    random.manual_seed(12)


def philox(seed, counter):
    """The documented meaning of a draw, in NumPy alone."""
    return np.random.Generator(np.random.Philox(key=seed, counter=[0, 0, 2, counter]))


def same(a, b):
    np.testing.assert_array_equal(np.asarray(a), np.asarray(b))


class TestTheStream:
    def test_numbers_are_those_of_philox_at_key_and_counter(self):
        same(random.uniform((3, 2)), philox(12, 0).random((3, 2), np.float32))
        same(random.normal((4,), dtype="float64"), philox(12, 1).standard_normal((4,)))
        same(random.randint(-2, 5, (6,)), philox(12, 2).integers(-2, 5, 6))
        same(random.permutation(7), philox(12, 3).permuted(np.arange(7)))
        same(random.uniform((2,), -1.0, 3.0, "float64"), philox(12, 4).random(2) * 4.0 - 1.0)

    def test_the_numbers_are_the_same_on_every_platform(self):
        assert random.randint(0, 1000, (5,)).tolist() == [397, 471, 203, 405, 682]
        assert random.uniform(dtype="float64").item() == 0.8980438690315652

    @given(seed=st.integers(0, 2**64 - 1))
    def test_a_seed_gives_its_numbers_again(self, seed):
        random.manual_seed(seed)
        first = [random.uniform((3,)).tolist(), random.permutation(5).tolist()]
        random.manual_seed(seed)
        assert first == [random.uniform((3,)).tolist(), random.permutation(5).tolist()]

    def test_state_continues_where_it_was_taken(self):
        random.normal((3,))
        state = random.get_state()
        assert state == {"key": 12, "counter": 1}
        first = random.normal((3,))
        random.manual_seed(99)
        random.set_state(state)
        same(random.normal((3,)), first)

    def test_draws_are_independent(self):
        a, b = (np.asarray(random.normal((4000,), dtype="float64")) for _ in range(2))
        assert abs(np.corrcoef(a, b)[0, 1]) < 5 / np.sqrt(4000)
        random.manual_seed(13)
        c = np.asarray(random.normal((4000,), dtype="float64"))
        assert abs(np.corrcoef(a, c)[0, 1]) < 5 / np.sqrt(4000)

    def test_a_loader_with_the_seed_of_the_stream_sees_other_numbers(self):
        orders = [permutation(50, 12, stream=(0, epoch)).tolist() for epoch in range(20)]
        assert not any(random.permutation(50).tolist() in orders for _ in range(20))

    def test_a_refused_draw_leaves_the_stream_where_it_was(self):
        with pytest.raises(ValueError):
            random.randint(3, 3)
        assert random.get_state()["counter"] == 0

    def test_draw_seed_is_a_python_integer_from_the_stream(self):
        seeds = [random.draw_seed() for _ in range(50)]
        assert all(type(seed) is int and 0 <= seed < 2**63 for seed in seeds) and len(set(seeds)) == 50

    def test_shuffling_loaders_depend_on_the_seed(self):
        orders = []
        for seed in (1, 1, 2):
            random.manual_seed(seed)
            loader = DataLoader(ArrayDataset(np.arange(30)), batch_size=30, shuffle=True)
            orders.append(next(iter(loader))[0].tolist())
        assert orders[0] == orders[1] != orders[2]


class TestDistributions:
    n = 40_000

    def close(self, x, mean, variance, fourth):
        """The mean and the variance within five of their standard errors (`fourth`: the fourth central moment)."""
        x = np.asarray(x, np.float64)
        assert abs(x.mean() - mean) < 5 * np.sqrt(variance / x.size)
        assert abs(x.var() - variance) < 5 * np.sqrt((fourth - variance**2) / x.size)

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_moments(self, dtype):
        self.close(random.uniform((self.n,), -1, 3, dtype), 1.0, 16 / 12, 4**4 / 80)
        self.close(random.normal((self.n,), 2.0, 3.0, dtype), 2.0, 9.0, 3 * 81.0)

    def test_bernoulli(self):
        p = np.array([0.0, 0.1, 0.5, 1.0])
        draws = np.asarray(random.bernoulli(p, (self.n, 4)))
        assert draws.dtype == bool
        assert np.all(np.abs(draws.mean(0) - p) <= 5 * np.sqrt(p * (1 - p) / self.n))
        assert random.bernoulli(p).shape == (4,)
        assert random.bernoulli(0.5).shape == ()

    def test_integers_are_uniform_and_the_upper_bound_is_never_drawn(self):
        counts = np.bincount(np.asarray(random.randint(0, 6, (self.n,))), minlength=6)
        assert len(counts) == 6
        assert ((counts - self.n / 6) ** 2 / (self.n / 6)).sum() < 25.7  # χ² with 5 degrees of freedom, p = 1e-4

    @pytest.mark.parametrize("n", [0, 1, 10])
    def test_permutations(self, n):
        assert sorted(random.permutation(n).tolist()) == list(range(n))

    def test_every_permutation_is_as_likely(self):
        orders = [tuple(random.permutation(3).tolist()) for _ in range(1200)]
        counts = np.array([orders.count(o) for o in set(orders)])
        assert len(counts) == 6 and ((counts - 200) ** 2 / 200).sum() < 25.7

    def test_dtypes(self):
        assert random.uniform().dtype == random.normal((2,)).dtype == np.float32
        assert random.normal(2, dtype="float16").dtype == np.float16
        assert random.normal((2,), np.zeros(2), 1.0, "float64").dtype == np.float64
        assert random.randint(0, 2).dtype == random.permutation(3).dtype == np.int64
        old = pb.default_dtype()
        try:
            pb.set_default_dtype("float64")
            assert random.uniform().dtype == np.float64
        finally:
            pb.set_default_dtype(old)

    def test_gradients_flow_to_mean_and_standard_deviation(self):
        def f(mean, std):
            random.manual_seed(3)
            return pb.sum(random.normal((5,), mean, std, "float64"))

        z = philox(3, 0).standard_normal(5)
        to_mean, to_std = pb.grad(f, argnums=(0, 1))(np.float64(1.0), np.float64(2.0))
        assert to_mean.item() == 5.0
        assert to_std.item() == pytest.approx(z.sum(), rel=1e-14)


class TestRefusals:
    @pytest.mark.parametrize(
        ("draw", "error", "words"),
        [
            (lambda: random.manual_seed(-1), ValueError, r"expected a seed in \[0, 2\*\*64\), got -1"),
            (lambda: random.manual_seed(2**64), ValueError, "expected a seed"),
            (lambda: random.manual_seed(1.5), TypeError, "seed: expected an integer, got 1.5"),
            (lambda: random.manual_seed(True), TypeError, "seed: expected an integer"),
            (lambda: random.set_state({"key": 1}), ValueError, "'key' and 'counter'"),
            (lambda: random.set_state({"key": 1, "counter": -1}), ValueError, "counter"),
            (lambda: random.uniform((2,), 3.0, 1.0), ValueError, "low=3.0, high=1.0"),
            (lambda: random.uniform((-2,)), ValueError, "negative"),
            (lambda: random.uniform((1.5,)), TypeError, "shape"),
            (lambda: random.uniform(dtype="int32"), DtypeError, "floating dtype, got int32"),
            (lambda: random.normal(std=-1.0), ValueError, "std >= 0, got -1.0"),
            (lambda: random.randint(2, 2), ValueError, "low < high"),
            (lambda: random.randint(0, 2**64), ValueError, "int64"),
            (lambda: random.randint(0.5, 2), TypeError, "low: expected an integer"),
            (lambda: random.bernoulli(1.5), ValueError, r"\[0, 1\], got 1.5"),
            (lambda: random.permutation(-1), ValueError, "n >= 0"),
        ],
    )
    def test_errors_say_what_was_expected(self, draw, error, words):
        with pytest.raises(error, match=words):
            draw()
        assert random.get_state() == {"key": 12, "counter": 0}


class TestUnderTransforms:
    def test_a_draw_inside_vmap_names_the_three_choices(self):
        with pytest.raises(PullbackError, match='randomness="different"') as caught:
            pb.vmap(lambda x: x + random.uniform())(np.zeros(3))
        assert 'randomness="same"' in str(caught.value) and 'randomness="error"' in str(caught.value)
        assert random.get_state()["counter"] == 0

    def test_one_draw_for_all_examples(self):
        y = pb.vmap(lambda x: x + random.uniform((2,), dtype="float64"), randomness="same")(np.zeros(3))
        same(y, np.tile(philox(12, 0).random(2), (3, 1)))

    def test_one_draw_for_each_example(self):
        y = pb.vmap(lambda x: x + random.uniform((2,), dtype="float64"), randomness="different")(np.zeros(3))
        same(y, philox(12, 0).random((3, 2)))

    def test_batches_inside_batches(self):
        def f(x, y):
            return x + y + random.uniform(dtype="float64")

        inner = pb.vmap(f, in_axes=(None, 0), randomness="different")
        y = pb.vmap(inner, in_axes=(0, None), randomness="different")(np.zeros(3), np.zeros(2))
        same(y, philox(12, 0).random((3, 2)))
        y = pb.vmap(inner, in_axes=(0, None), randomness="same")(np.zeros(3), np.zeros(2))
        same(y, np.tile(philox(12, 1).random(2), (3, 1)))

    def test_permutations_differ_from_example_to_example(self):
        y = pb.vmap(lambda x: x + random.permutation(20), randomness="different")(np.zeros(4, np.int64))
        assert all(sorted(row) == list(range(20)) for row in y.tolist())
        assert len({tuple(row) for row in y.tolist()}) == 4

    def test_gradients_of_a_batch_with_its_own_draws(self):
        w = np.float64(2.0)
        f = pb.vmap(lambda x: w_ * x * random.normal(dtype="float64"), randomness="different")

        def loss(w):
            nonlocal w_
            w_ = w
            return pb.sum(f(np.ones(3)))

        w_ = None
        g = pb.grad(loss)(w)
        assert g.item() == pytest.approx(philox(12, 0).standard_normal(3).sum(), rel=1e-14)

    def test_a_traced_step_draws_as_eager_execution_does(self):
        def step(x):
            return x + random.normal((3,)) * random.uniform()

        x = np.ones(3, np.float32)
        eager = [np.asarray(step(x)) for _ in range(4)]
        state = random.get_state()
        random.manual_seed(12)
        traced = pb.trace(step)
        for want in eager:
            same(traced(x), want)
        assert random.get_state() == state
        assert not np.array_equal(eager[0], eager[1])

    def test_a_number_drawn_in_a_traced_step_is_no_seed(self):
        with pytest.raises(pb.TraceError):
            pb.trace(lambda x: x * random.draw_seed())(np.ones(2))

    def test_a_checkpointed_function_repeats_its_draws(self):
        def f(x):
            return pb.sum(pb.nn.functional.dropout(x * x, 0.5))

        x = np.arange(1.0, 21.0)
        plain = pb.grad(f)(x)
        after = random.get_state()
        random.manual_seed(12)
        same(pb.grad(pb.checkpoint(f))(x), plain)
        assert random.get_state() == after
