"""How the processor treats denormal numbers while a piece of code runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .function import Function
from .types import I32, Operand, constant

__all__ = ["flushing"]

FLUSH = 0x8040
"""In the control word of an x86: results that are denormal become zero, and operands that are count as zero."""


@contextmanager
def flushing(f: Function, scratch: Operand) -> Iterator[None]:
    """Write code in which denormal numbers count as zero, where the processor can be told so; it is undone after.

    The slots of an optimiser fade into denormal numbers, which some processors compute with thirty times slower.
    `scratch` is the address of 8 bytes that the code inside leaves alone.
    """
    if f.module.family != "x86":
        yield
        return
    f.module.declare("declare void @llvm.x86.sse.stmxcsr(ptr)")
    f.module.declare("declare void @llvm.x86.sse.ldmxcsr(ptr)")
    before, during = f.at(scratch, 0), f.at(scratch, 1)
    f.do(f"call void @llvm.x86.sse.stmxcsr(ptr {before})")
    word = f.load(I32, before)
    f.store(f.binary("or", word, constant(I32, FLUSH)), during)
    f.do(f"call void @llvm.x86.sse.ldmxcsr(ptr {during})")
    yield
    f.do(f"call void @llvm.x86.sse.ldmxcsr(ptr {before})")
