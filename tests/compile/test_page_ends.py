"""Emitted products and convolutions on arrays that end, or begin, where the next page of memory may not be read."""

import subprocess
import sys

import pytest

pytest.importorskip("llvmlite")

PROGRAM = """
import ctypes, mmap, sys
import numpy as np
from pullback.compile.emit.convolve import Convolution, emit_convolution, emit_convolution_input
from pullback.compile.emit.convolve_weight import emit_convolution_weight
from pullback.compile.emit.function import Module
from pullback.compile.emit.machine import compile_text, load, narrowed
from pullback.compile.emit.product import Product, emit_product

page = mmap.PAGESIZE
libc = ctypes.CDLL(None, use_errno=True)
kept = []

def fenced(size, at_end):
    # A float32 array beside a page that may not be touched.
    length = (size * 4 + page - 1) // page * page
    whole = mmap.mmap(-1, length + 2 * page)
    kept.append(whole)
    base = ctypes.addressof(ctypes.c_char.from_buffer(whole))
    start = base + page + (length - size * 4 if at_end else 0)
    np.frombuffer(whole, np.float32, size, start - base)[:] = 1
    for fence in (base, base + page + length):
        assert libc.mprotect(ctypes.c_void_p(fence), page, 0) == 0
    return start

def run(emit, sizes, *arguments):
    module = Module(target.vector_bits)
    kernel = emit(module, "kernel", *arguments)
    module.functions["kernel"].internal = False
    code = load(compile_text(module.text(), target), target)
    pointer, number = ctypes.c_void_p, ctypes.c_int64
    function = code.function("kernel", pointer, pointer, pointer, number, number, pointer, pointer)
    workspace = np.zeros(kernel.workspace // 4 + 32, np.float32)
    aligned = workspace.ctypes.data + -workspace.ctypes.data % 64
    for at_end in (True, False):
        function(*(fenced(size, at_end) for size in sizes), 0, kernel.units, aligned, None)
        print(emit.__name__, arguments[0], "at its end" if at_end else "at its beginning", flush=True)

target = narrowed(sys.argv[1])
for rows, columns, depth in ((1, 1, 1), (7, 10, 3), (1, 45, 33), (45, 1, 33), (13, 70, 401), (64, 33, 20), (3, 5, 70)):
    for left in ((depth, 1), (1, rows)):
        for right in ((columns, 1), (1, depth)):
            product = Product(rows, columns, depth, *left, *right, columns)
            run(emit_product, (rows * columns, rows * depth, columns * depth), product)
for channels, outputs, groups in ((1, 5, 1), (3, 18, 1), (6, 6, 6), (4, 6, 2)):
    for stride in (1, 2):
        for pad in (0, 1):
            edges = ((pad, pad), (pad, 0))
            work = Convolution(2, (7, 9), channels, outputs, (3, 3), (stride, 1), edges, (1, 1), groups)
            x, w = 2 * 7 * 9 * channels, 9 * channels // groups * outputs
            y = 2 * int(np.prod(work.counts)) * outputs
            run(emit_convolution, (y, x, w), work)
            run(emit_convolution_input, (x, y, w), work)
            run(emit_convolution_weight, (w, x, y), work)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mprotect is called as Linux has it")
@pytest.mark.parametrize("kind", ["avx512", "avx2", "scalar"])
def test_nothing_is_read_beyond_an_array(kind):
    from pullback.compile.emit.machine import host, narrowed

    if narrowed(kind).vector_bits > host().vector_bits:
        pytest.skip(f"this machine has no {kind}")
    done = subprocess.run([sys.executable, "-c", PROGRAM, kind], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"stopped by {done.returncode} after {done.stdout.splitlines()[-1:]}\n{done.stderr}"
