"""Running emitted kernels of products and convolutions on arrays that lie between guards."""

import ctypes
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from pullback.compile.emit.function import Module
from pullback.compile.emit.machine import compile_text, host, load, narrowed


@pytest.fixture(autouse=True)
def _made_anew(request, monkeypatch):
    """Make every plan anew, so that a test sees what it changes about how plans are made: none comes from the disk."""
    if "stored_plans" not in request.fixturenames:
        monkeypatch.setattr("pullback.compile.stored.digest", lambda graph, target: None)


@pytest.fixture(autouse=True)
def _shared_however_small(monkeypatch):
    """Share small plans among threads, too, which the tests' are: else their tests would show nothing of it."""
    monkeypatch.setattr("pullback.compile.sharing.SMALL", 0.0)


@pytest.fixture
def stored_plans(tmp_path, monkeypatch):
    """A folder of this test's own for plans and code, which are kept in it and found again."""
    place = tmp_path / "kept"
    monkeypatch.setenv("PULLBACK_CACHE", str(place))
    return place


@pytest.fixture(params=["avx512", "avx2", "scalar"])
def each_target(request, monkeypatch):
    """Every kind of processor that this machine can stand for, one after the other: plans are made for it."""
    found = narrowed(request.param)
    if found.vector_bits > host().vector_bits:
        pytest.skip(f"this machine has no {request.param}")
    monkeypatch.setattr("pullback.compile.planning.host", lambda: found)
    return found


GUARD = 37  # elements before and after each array that nothing may touch; odd, so that nothing is aligned


class Guarded:
    """An array in the middle of memory that is watched."""

    def __init__(self, values, dtype=np.float32):
        self.whole = np.full(values.size + 2 * GUARD, 7.25, dtype)
        self.array = self.whole[GUARD : GUARD + values.size].reshape(values.shape)
        self.array[...] = values

    @property
    def address(self):
        return self.array.ctypes.data

    def untouched(self):
        return (self.whole[:GUARD] == 7.25).all() and (self.whole[-GUARD:] == 7.25).all()


def compiled(kind, emit, *arguments):
    """Return the kernel's record, and a function of (c, a, b, begin, end, table) that runs it on Guarded arrays."""
    target = narrowed(kind)
    if target.vector_bits > host().vector_bits:
        pytest.skip(f"this machine has no {kind}")
    module = Module(target.vector_bits)
    kernel = emit(module, "kernel", *arguments)
    module.functions["kernel"].internal = False
    code = load(compile_text(module.text(), target), target)
    pointer, number = ctypes.c_void_p, ctypes.c_int64
    function = code.function("kernel", pointer, pointer, pointer, number, number, pointer, pointer)

    def run(c, a, b, begin=0, end=kernel.units, table=None):
        space = np.full(kernel.workspace + 64 + 512, 0xFF, np.uint8)  # NaN wherever the kernel reads before it writes
        start = -space.ctypes.data % 64
        workspace = space.ctypes.data + start
        function(c.address, a.address, b.address, begin, end, workspace, table.address if table else None)
        assert (space[:start] == 0xFF).all() and (space[start + kernel.workspace :] == 0xFF).all()
        assert a.untouched() and b.untouched() and c.untouched()
        assert code.object_code, "what keeps the loaded code alive"

    return kernel, run


@pytest.fixture(scope="session")
def emitted():
    """The means to compile a kernel for one target and to run it between guards."""
    return SimpleNamespace(Guarded=Guarded, compiled=compiled)
