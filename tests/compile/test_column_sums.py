"""Sums down the columns: several registers of columns are added up side by side, as wide as rows are read in one go."""

import numpy as np
import pytest

pytest.importorskip("llvmlite")

import pullback as pb
from pullback.compile.emit import chunks, machine

WIDTHS = [1, 15, 16, 33, 64, 100, 256, 257, 1000]


def sums(x):
    """One sum, several in one pass, and a long program before one."""
    spread = pb.tanh(x) * x + pb.exp(-x * x) / (1 + x * x)
    return pb.sum(x, axis=0), pb.max(x * 2, axis=0), pb.sum(spread * pb.sigmoid(x) - pb.relu(x) * 3, axis=0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rows", [2, 37])
def test_every_width_equals_numpy(each_target, rows, dtype):
    rng = np.random.default_rng(rows)
    for columns in WIDTHS:
        x = rng.normal(size=(rows, columns)).astype(dtype)
        bound = 1e-4 if dtype == np.float32 else 1e-11
        for found, want in zip(pb.compile(sums)(x), sums(pb.tensor(x.astype(np.float64))), strict=True):
            np.testing.assert_allclose(found.numpy(), want.numpy(), rtol=bound, atol=bound)


def test_what_is_not_a_number_stays_in_its_column():
    x = np.ones((40, 600), np.float32)
    x[7, 300], x[9, 599] = np.nan, np.inf
    found = pb.compile(lambda x: pb.sum(x, axis=0))(x).numpy()
    assert np.isnan(found[300]) and found[599] == np.inf
    assert (np.delete(found, [300, 599]) == 40).all()


def test_rows_are_read_in_long_pieces_that_threads_can_share(monkeypatch):
    # Else the tests above would show nothing of it.
    seen = []
    init = chunks.Cut.__init__

    def noted(self, module, nest):
        init(self, module, nest)
        if not nest.horizontal and nest.rows < len(nest.lengths):
            seen.append((self.side_by_side, self.length // self.chunk))

    monkeypatch.setattr(chunks.Cut, "__init__", noted)
    monkeypatch.setattr("pullback.compile.planning.host", lambda: machine.narrowed("avx2"))
    pb.compile(lambda x: pb.sum(x, axis=0))(np.ones((300, 1024), np.float32))
    assert seen and all(side >= 8 and units >= 4 for side, units in seen)
