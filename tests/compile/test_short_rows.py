"""Softmax and its relatives over short rows: several rows are computed side by side, each as if it were alone."""

import numpy as np
import pytest

pytest.importorskip("llvmlite")

import pullback as pb
from pullback import nn
from pullback.compile.emit import chunks
from pullback.compile.emit.function import Module

HEIGHTS = [1, 3, 6, 8]


def both(x):
    p = pb.softmax(pb.tanh(x) + 0.5 * x, axis=-1)
    return p, pb.logsumexp(x * x, axis=-1), pb.var(x * pb.exp(-x), axis=-1)


@pytest.mark.parametrize("columns", [2, 10, 17, 33])
@pytest.mark.parametrize("lead", [(), (2, 3)])
def test_rows_side_by_side_equal_numpy(each_target, columns, lead):
    rng = np.random.default_rng(columns)
    for rows in HEIGHTS:
        x = rng.normal(size=(*lead, rows, columns)).astype(np.float32)
        x[..., -1, -1] = np.nan
        with np.errstate(all="ignore"):
            wanted = both(pb.tensor(x.astype(np.float64)))
        for found, want in zip(pb.compile(both)(x), wanted, strict=True):
            np.testing.assert_allclose(found.numpy(), want.numpy(), rtol=3e-5, atol=3e-5)


def test_a_row_depends_on_no_other_and_on_no_thread():
    loss_of = nn.CrossEntropyLoss(reduction="none")

    def losses(x, labels):
        return loss_of(x, labels)

    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(32, 10)).astype(np.float32), rng.integers(0, 10, 32)
    whole = pb.compile(losses)(x, labels).numpy()
    for rows in (1, 5, 12):
        np.testing.assert_array_equal(pb.compile(losses)(x[:rows], labels[:rows]).numpy(), whole[:rows])


def test_short_rows_are_taken_several_at_a_time(monkeypatch):
    # Else the tests above would show nothing of it.
    seen = []
    cut = chunks.Cut.__init__

    def noting(self, module: Module, nest):
        cut(self, module, nest)
        seen.append(self.abreast)

    monkeypatch.setattr(chunks.Cut, "__init__", noting)
    pb.compile(both)(np.ones((32, 10), np.float32))
    assert max(seen) > 1


@pytest.mark.parametrize("function", [pb.softmax, pb.log_softmax])
@pytest.mark.parametrize("columns", [3, 40, 600])
def test_rows_with_infinities_are_as_numpy_makes_them(function, columns):
    inf = np.inf
    x = np.random.default_rng(0).normal(size=(7, columns))
    x[0, 0], x[1, 1], x[2, :2], x[3], x[4, :2], x[5, 2] = inf, -inf, inf, -inf, (inf, -inf), np.nan
    for dtype in (np.float32, np.float64):
        with np.errstate(all="ignore"):
            want = function(pb.tensor(x.astype(dtype))).numpy()
        found = pb.compile(function)(pb.tensor(x.astype(dtype))).numpy()
        np.testing.assert_allclose(found, want, rtol=1e-5, atol=1e-6)
        assert np.isnan(found[[0, 2, 3, 4, 5]]).all() and np.isfinite(np.exp(found[[1, 6]])).all()
