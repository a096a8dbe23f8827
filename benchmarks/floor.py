"""The floor under a step: its operations, at the rate at which this machine multiplies and adds at the most."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from time import perf_counter, process_time
from typing import Any

import numpy as np

from .measure import Sample

__all__ = ["beside_a_product", "floor_of", "peak"]

CHAINS = 12  # independent accumulators: more than the latency of one instruction hides
ROUNDS = 1_000_000  # one and a half milliseconds


def floor_of(operations: float, threads: int) -> Callable[[], Sample]:
    """What measures the microseconds that so many operations take at the rate of the moment."""
    rate = peak(threads)
    return lambda: {"µs": operations / rate() / 1e3}


def peak(threads: int) -> Callable[[], float]:
    """What measures how many float32 operations a nanosecond this machine makes: 10⁹ a second, GFLOP/s.

    A native loop that does nothing but multiply and add in registers, as wide as the machine has them; an
    instruction that does both counts as two operations. Each thread runs the loop at the same time. A matrix unit
    beside the vector registers, as Apple's processors have it, is not measured.
    """
    code, lanes = _loop()  # the loop lives as long as its code
    loop = code.function("peak", ctypes.c_void_p, ctypes.c_int64)
    work = 2.0 * CHAINS * lanes * ROUNDS

    def one(now: Callable[[], float], code: Any = code) -> float:
        numbers = np.zeros(lanes, np.float32)
        begin = now()
        loop(numbers.ctypes.data, ROUNDS)
        return work / (now() - begin) / 1e9

    def together() -> float:
        rates: list[float] = []
        start = threading.Barrier(threads)

        def run() -> None:
            start.wait()
            rates.append(one(perf_counter))

        running = [threading.Thread(target=run) for _ in range(threads)]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()
        return sum(rates)

    return (lambda: one(process_time)) if threads == 1 else together


def beside_a_product() -> dict[str, float]:
    """The peak of one thread and of two, and what NumPy's own library reaches in a large product with one."""
    single, double, size = peak(1), peak(2), 768
    a, b = (np.random.default_rng(0).random((size, size), dtype=np.float32) for _ in range(2))

    def product() -> float:
        begin = process_time()
        np.matmul(a, b)
        return 2.0 * size**3 / (process_time() - begin) / 1e9

    rates = {"peak": single, "two threads": double, "product": product}
    return {name: max(rate() for _ in range(9)) for name, rate in rates.items()}


def _loop() -> tuple[Any, int]:
    """The code, and how many numbers one instruction works on."""
    from pullback.compile.emit import machine

    target = machine.host()
    lanes = max(1, target.vector_bits // 32)
    kind, suffix = (f"<{lanes} x float>", f"v{lanes}f32") if lanes > 1 else ("float", "f32")
    fused = f"call {kind} @llvm.fma.{suffix}({kind} %a{{0}}, {kind} %x, {kind} %x)"
    lines = [f"declare {kind} @llvm.fma.{suffix}({kind}, {kind}, {kind})"] if lanes > 1 else []
    lines += ["define void @peak(ptr %p, i64 %n) {", "entry:", f"  %x = load {kind}, ptr %p, align 4"]
    lines += ["  br label %loop", "loop:", "  %i = phi i64 [0, %entry], [%next, %loop]"]
    lines += [f"  %a{k} = phi {kind} [%x, %entry], [%b{k}, %loop]" for k in range(CHAINS)]
    for k in range(CHAINS):
        if lanes > 1:
            lines.append(f"  %b{k} = " + fused.format(k))
        else:  # without vectors there may be no instruction for both
            lines += [f"  %m{k} = fmul float %a{k}, %x", f"  %b{k} = fadd float %m{k}, %x"]
    lines += ["  %next = add i64 %i, 1", "  %more = icmp ult i64 %next, %n", "  br i1 %more, label %loop, label %end"]
    lines += ["end:", f"  %s0 = fadd {kind} %b0, %x"]
    lines += [f"  %s{k} = fadd {kind} %s{k - 1}, %b{k}" for k in range(1, CHAINS)]
    lines += [f"  store {kind} %s{CHAINS - 1}, ptr %p, align 4", "  ret void", "}"]
    code = machine.load(machine.compile_text("\n".join(lines), target), target)
    return code, lanes
