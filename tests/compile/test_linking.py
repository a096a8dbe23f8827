"""Object code that this library puts in its place itself: it runs as where LLVM has done so, or is left to LLVM."""

from __future__ import annotations

import ctypes
import math
import os
import subprocess
import sys

import numpy as np
import pytest

import pullback as pb
from pullback import optim
from pullback.compile import files
from pullback.compile.emit import linking, machine
from pullback.compile.emit.linking import linked
from pullback.compile.emit.machine import Code, compile_text, host, load

from .programs import MODELS, training

plain = pytest.mark.skipif(
    sys.platform != "linux" or host().family != "x86", reason="only ELF for x86-64 is linked without LLVM"
)

SINE = """
declare double @sin(double)
define double @f(double %x) nounwind { %y = call double @sin(double %x)  ret double %y }
"""
CONSTANTS = """
@table = private constant [4 x double] [double 1.5, double -2.0, double 0.25, double 8.0], align 64
define internal double @pick(i64 %i) noinline nounwind {
  %p = getelementptr [4 x double], ptr @table, i64 0, i64 %i
  %y = load double, ptr %p
  %z = fmul double %y, 3.25
  ret double %z
}
define double @f(i64 %i) nounwind { %y = call double @pick(i64 %i)  %z = fadd double %y, 7.125  ret double %z }
define ptr @where() nounwind { ret ptr @pick }
"""


def by_llvm(code):
    """Load object code as LLVM does it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(machine, "linked", lambda _: None)
        return load(code, host())


def ours(text):
    code = compile_text(text, host())
    found = linked(code)
    assert found is not None
    return Code(code, found)


@plain
def test_a_function_of_the_system_is_found():
    code = ours(SINE)
    sine = code.function("f", ctypes.c_double, result=ctypes.c_double)
    assert [sine(x) for x in (0.0, 0.5, -3.0)] == [math.sin(x) for x in (0.0, 0.5, -3.0)]


@plain
def test_constants_and_functions_lead_to_each_other():
    code = ours(CONSTANTS)
    f = code.function("f", ctypes.c_int64, result=ctypes.c_double)
    assert [f(i) for i in range(4)] == [3.25 * x + 7.125 for x in (1.5, -2.0, 0.25, 8.0)]
    pick = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_int64)(code.function("where", result=ctypes.c_void_p)())
    assert pick(1) == -6.5
    assert code.engine.get_function_address("nothing") == 0


def rights_at(address):
    """What may be done with the memory at an address; nothing where there is none."""
    with open("/proc/self/maps") as file:
        for line in file:
            span, rights = line.split()[:2]
            start, end = (int(x, 16) for x in span.split("-"))
            if start <= address < end:
                return rights
    return ""


@plain
def test_the_memory_can_be_run_and_not_written_and_is_given_back():
    code = ours(CONSTANTS)
    at = code.address("f")
    assert rights_at(at) == "r-xp"
    del code
    assert rights_at(at) == ""


@plain
@pytest.mark.parametrize("name", MODELS)
def test_steps_are_the_same_bit_for_bit_by_either_loader(name, monkeypatch):
    build, data = training(name, lambda p: optim.Adam(p, lr=0.01))
    results = []
    for loader in ("ours", "LLVM"):
        if loader == "LLVM":
            monkeypatch.setattr(machine, "linked", lambda _: None)
        net, function = build()
        step = pb.compile(function)
        losses = [float(step(*data[i % 3])) for i in range(3)]
        assert isinstance(step.last.plan.code.engine, linking.Linked) == (loader == "ours")
        results.append((losses, [p.numpy().tobytes() for p in net.parameters()]))
    assert results[0] == results[1]


OTHERS = {
    "state": "@x = global i64 5\ndefine i64 @f() nounwind { %y = load i64, ptr @x  ret i64 %y }",
    "state of zeros": "@x = global i64 0\ndefine void @f() nounwind { store i64 1, ptr @x  ret void }",
    "unknown function": "declare i64 @no_such()\ndefine i64 @f() nounwind { %y = call i64 @no_such()  ret i64 %y }",
    "address in constants": "@x = constant ptr @f\ndefine ptr @f() nounwind { %y = load ptr, ptr @x  ret ptr %y }",
    "frames to unwind": "define void @f() { ret void }",
}


@plain
@pytest.mark.parametrize("what", OTHERS)
def test_what_is_of_another_kind_is_left_to_llvm(what):
    assert linked(compile_text(OTHERS[what], host())) is None


@plain
def test_every_relocation_is_known_or_refused():
    code = compile_text(SINE, host())
    count, at = int.from_bytes(code[60:62], "little"), int.from_bytes(code[40:48], "little")
    sections = np.frombuffer(code, linking._SECTION, count, at)
    (place,) = [int(s["offset"]) for s in sections if s["type"] == linking.RELOCATIONS]
    for kind in range(45):
        changed = bytearray(code)
        changed[place + 8 : place + 12] = kind.to_bytes(4, "little")
        if linked(bytes(changed)) is not None:
            assert kind in (linking.RELATIVE, linking.CALL, linking.ENTRY, linking.FROM_TABLE, linking.TABLE)


@pytest.mark.parametrize("code", [b"", b"\x7fELF", b"\xcf\xfa\xed\xfe" + bytes(100), b"MZ" + bytes(100)])
def test_other_files_are_left_to_llvm(code):
    assert linked(code) is None


@plain
def test_where_memory_may_not_be_run_llvm_is_asked(monkeypatch):
    class Refusing:
        mmap, munmap = linking._system().mmap, linking._system().munmap

        def mprotect(self, *arguments):
            return -1

    code = compile_text(CONSTANTS, host())
    monkeypatch.setattr(linking, "_system", Refusing)
    assert linked(code) is None
    Refusing.mmap = lambda *arguments: linking.FAILED
    assert linked(code) is None


# ------------------------------------------------------------------------------------------- the processor


def test_the_host_on_disk_is_the_one_that_llvm_sees(tmp_path, monkeypatch):
    monkeypatch.setenv("PULLBACK_CACHE", str(tmp_path))
    seen = machine._seen()
    look = host.__wrapped__
    assert look() == seen
    known = list(tmp_path.glob("*.host"))
    if not known:
        pytest.skip("this system does not say what its processor is")
    monkeypatch.setattr(machine, "_seen", lambda: pytest.fail("it is on disk"))
    assert look() == seen
    monkeypatch.setattr(machine, "_seen", lambda: seen)
    contents = known[0].read_bytes()
    for at in range(0, len(contents), 97):
        known[0].write_bytes(contents[:at] + bytes([contents[at] ^ 4]) + contents[at + 1 :])
        assert files.kept(known[0].name) is None
        assert look() == seen
        assert known[0].read_bytes() == contents
    processor = machine._processor()
    assert processor
    monkeypatch.setattr(machine, "_processor", lambda: processor + " and more")
    assert look() == seen
    assert len(list(tmp_path.glob("*.host"))) == 2


@plain
def test_what_is_on_disk_needs_no_llvm(tmp_path):
    program = """
import sys
import numpy as np
import pullback as pb
f = pb.compile(lambda x: pb.sum(pb.tanh(x) * 3.0))
print([float(f(np.full(5, i / 8))) for i in range(8)])
print("llvmlite.binding" in sys.modules)
"""
    surroundings = {**os.environ, "PULLBACK_CACHE": str(tmp_path)}
    command = [sys.executable, "-c", program]
    runs = [subprocess.run(command, env=surroundings, capture_output=True, text=True, check=True) for _ in range(2)]
    (first, needed), (second, still) = (run.stdout.splitlines() for run in runs)
    assert first == second
    assert (needed, still) == ("True", "False")
