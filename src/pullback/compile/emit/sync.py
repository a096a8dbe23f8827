"""Threads inside emitted code: handing a piece of work to waiting threads, and waiting for each other in it.

A block of memory that all of them see holds, each on a line of its own: the number of the present piece of work,
what to call and with which table, how many have arrived at the barrier, how many have finished, and for each
thread whether it is listening. All waiting is done by looking, and after a while by letting others have the core.
"""

from __future__ import annotations

import sys

from .function import Function, Module
from .types import BOOL, I32, I64, PTR, Operand, constant

__all__ = ["LINES", "emit_barrier", "emit_pool", "pool_words"]

LINES = 8
"""Words of 64 bits on a line of the cache."""

WORK, CALLEE, ARRIVED, FINISHED, FIRST = 0, 1, 2, 3, 4
"""The lines of the block; the state of thread t stands on line FIRST + t."""

LISTENING, PARKED, CLAIMED = 0, 1, 2

PATIENCE = 200
"""How many times a thread looks before it offers the core to others."""


def pool_words(threads: int) -> int:
    """Return how many words the block has."""
    return LINES * (FIRST + threads)


def emit_barrier(module: Module) -> str:
    """Write `barrier(ptr block, i64 all)`, which returns when `all` arrivals have been counted; return its name."""
    name = "barrier"
    if name not in module.functions:
        f = Function(module, name, [(PTR, "block"), (I64, "all")])
        arrived = f.at(f.argument("block"), ARRIVED * LINES, I64)
        f.value(I64, f"atomicrmw add ptr {arrived}, i64 1 acq_rel, align 8")
        _look_until(f, arrived, "uge", f.argument("all"))
    return name


def emit_pool(module: Module) -> None:
    """Write what the threads run.

    `dispatch(ptr block, ptr callee, ptr table, i64 threads)` has every thread call `callee(table, t, threads)`, the
    calling one as t = 0, and returns when all have. `listen(ptr block, i64 t, i64 looks)` is what thread t runs: it
    returns when nothing came for so many looks. `claim(ptr block, i64 t, ptr answer)` tells whether thread t is
    listening, and keeps it from parking.
    """
    _emit_claim(module)
    _emit_dispatch(module)
    _emit_listen(module)


def _emit_claim(module: Module) -> None:
    f = Function(module, "claim", [(PTR, "block"), (I64, "thread"), (PTR, "answer")], internal=False)
    state = _state(f)
    pair = f.value(I64, f"cmpxchg ptr {state}, i64 {LISTENING}, i64 {CLAIMED} seq_cst seq_cst, align 8")
    won = f.value(BOOL, f"extractvalue {{ i64, i1 }} {pair}, 1")
    f.store(f.convert(won, "i64", signed=False), f.argument("answer"))


def _emit_dispatch(module: Module) -> None:
    parameters = [(PTR, "block"), (PTR, "callee"), (PTR, "table"), (I64, "threads")]
    f = Function(module, "dispatch", parameters, internal=False)
    block = f.argument("block")
    line = [f.at(block, i * LINES, I64) for i in range(FIRST)]
    zero = constant(I64, 0)
    f.store(zero, line[ARRIVED])
    f.store(zero, line[FINISHED])
    f.store(f.argument("callee"), line[CALLEE])
    f.store(f.argument("table"), f.at(line[CALLEE], 1, I64))
    f.store(f.argument("threads"), f.at(line[CALLEE], 2, I64))
    f.value(I64, f"atomicrmw add ptr {line[WORK]}, i64 1 release, align 8")
    f.do(f"call void %callee({f.argument('table').typed}, i64 0, {f.argument('threads').typed})")
    others = f.value(I64, f"sub i64 {f.argument('threads')}, 1")
    _look_until(f, line[FINISHED], "uge", others)


def _emit_listen(module: Module) -> None:
    f = Function(module, "listen", [(PTR, "block"), (I64, "thread"), (I64, "looks")], internal=False)
    block, state = f.argument("block"), _state(f)
    work, callee, finished = (f.at(block, i * LINES, I64) for i in (WORK, CALLEE, FINISHED))
    # `done` is the number of the last piece of work this thread has seen; the block remembers it between calls.
    remembered = f.at(state, 1, I64)
    f.do(f"store atomic i64 {LISTENING}, ptr {state} seq_cst, align 8")
    first = f.load(I64, remembered)
    f.lines += ["  br label %wait", "wait:"]
    f.lines += [f"  %done = phi i64 [{first}, %entry], [%now, %worked]", "  br label %look", "look:"]
    f.lines += ["  %count = phi i64 [0, %wait], [%more, %look.again]"]
    f.lines += [f"  %now = load atomic i64, ptr {work} acquire, align 8", "  %same = icmp eq i64 %now, %done"]
    f.lines += ["  br i1 %same, label %idle, label %work", "idle:"]
    _pause(f)
    f.lines += ["  %more = add i64 %count, 1", "  %tired = icmp uge i64 %more, %looks"]
    f.lines += ["  br i1 %tired, label %park, label %still", "still:"]
    _yield_sometimes(f, Operand("%more", I64))
    # The label that the loop comes back from is the one that yielding ended in.
    f.lines += ["  br label %look.again", "look.again:", "  br label %look"]
    f.lines += ["park:"]
    f.lines += [
        f"  %pair = cmpxchg ptr {state}, i64 {LISTENING}, i64 {PARKED} seq_cst seq_cst, align 8",
        "  %parked = extractvalue { i64, i1 } %pair, 1",
        "  br i1 %parked, label %leave, label %claimed",
        "claimed:",
        "  br label %look.again",
        "work:",
    ]
    f.lines += [
        f"  %what = load ptr, ptr {callee}, align 8",
    ]
    table = f.load(PTR, f.at(callee, 1, I64))
    threads = f.load(I64, f.at(callee, 2, I64))
    f.do(f"call void %what({table.typed}, {f.argument('thread').typed}, {threads.typed})")
    f.store(Operand("%now", I64), remembered)
    f.do(f"store atomic i64 {LISTENING}, ptr {state} seq_cst, align 8")
    f.value(I64, f"atomicrmw add ptr {finished}, i64 1 release, align 8")
    f.lines += ["  br label %worked", "worked:", "  br label %wait", "leave:"]
    f.block = "leave"


def _state(f: Function) -> Operand:
    line = f.plus(f.argument("thread"), FIRST)
    return f.at(f.argument("block"), f.times(line, LINES), I64)


def _look_until(f: Function, address: Operand, predicate: str, bound: Operand) -> None:
    """Look at a word until it compares with `bound` as asked."""
    look, again, end = f._label("look"), f._label("again"), f._label("seen")
    before = f.block
    f.lines += [f"  br label %{look}", f"{look}:"]
    f._count += 1
    count = Operand(f"%n{f._count}", I64)
    f.lines.append(f"  {count} = phi i64 [0, %{before}], [{count}n, %{again}]")
    f.block = look
    word = f.value(I64, f"load atomic i64, ptr {address} acquire, align 8")
    seen = f.compare(predicate, word, bound)
    wait = f._label("wait")
    f.lines += [f"  br i1 {seen}, label %{end}, label %{wait}", f"{wait}:"]
    f.block = wait
    _pause(f)
    f.lines.append(f"  {count}n = add i64 {count}, 1")
    _yield_sometimes(f, Operand(f"{count}n", I64))
    f.lines += [f"  br label %{again}", f"{again}:", f"  br label %{look}", f"{end}:"]
    f.block = end


def _pause(f: Function) -> None:
    """Tell the processor that this is a loop that waits."""
    if f.module.family == "x86":
        f.module.declare("declare void @llvm.x86.sse2.pause()")
        f.do("call void @llvm.x86.sse2.pause()")
    elif f.module.family == "arm":
        f.module.declare("declare void @llvm.aarch64.hint(i32)")
        f.do("call void @llvm.aarch64.hint(i32 1)")


def _yield_sometimes(f: Function, count: Operand) -> None:
    if not sys.platform.startswith(("linux", "darwin")):
        return
    f.module.declare("declare i32 @sched_yield()")
    turn = f.value(I64, f"urem i64 {count}, {PATIENCE}")
    with f.when(f.compare("eq", turn, constant(I64, 0))):
        f.value(I32, "call i32 @sched_yield()")
