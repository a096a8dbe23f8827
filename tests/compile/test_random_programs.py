"""Two thousand random programs, compiled and compared with eager execution; each hundred in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HUNDREDS = 20

CHECK = """
import sys
sys.path.insert(0, {folder!r})
import numpy as np
import pullback as pb
from pullback.core import tree
from random_programs import draw

def arrays(result):
    return [np.asarray(x) for x in tree.flatten(result)[0]]

for seed in range({start}, {stop}):
    print(seed, flush=True)
    dtype = np.float64 if seed % 4 == 0 else np.float32
    program = draw(seed, dtype)
    with np.errstate(all="ignore"):
        eager = arrays(program.function(*program.arguments))
    compiled = arrays(pb.compile(program.function)(*program.arguments))
    bound = 1e-11 if dtype == np.float64 else 2e-4
    for want, got in zip(eager, compiled, strict=True):
        assert want.shape == got.shape and want.dtype == got.dtype, program.lines
        scale = max(0.1, np.abs(want[np.isfinite(want)]).max(initial=0))
        np.testing.assert_allclose(got, want, rtol=bound, atol=bound * scale, err_msg="; ".join(program.lines))
print("done")
"""


@pytest.mark.parametrize("hundred", [pytest.param(h, marks=[pytest.mark.slow] if h else []) for h in range(HUNDREDS)])
def test_a_hundred_random_programs_equal_eager(hundred, tmp_path):
    folder = str(Path(__file__).parent)
    program = CHECK.format(folder=folder, start=100 * hundred, stop=100 * hundred + 100)
    environment = {"PULLBACK_CACHE": "", "OPENBLAS_NUM_THREADS": "1", "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=600, cwd=tmp_path
    )
    last = done.stdout.split()[-1:] or ["none"]
    assert done.returncode == 0, f"seed {last[0]}, exit {done.returncode}:\n{done.stderr[-3000:]}"
    assert last == ["done"]
