"""From LLVM text to callable code: the target's features, verification, object code, loading."""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import sys
from collections.abc import Callable
from dataclasses import astuple, dataclass
from functools import cache
from typing import Any

from ...core.errors import PullbackError
from ..files import keep, kept
from .linking import linked

__all__ = ["Code", "Target", "compile_text", "compiler_version", "host", "load", "narrowed"]


@dataclass(frozen=True)
class Target:
    """What code is emitted for: the instruction set's features, and the width of its registers in bits.

    `vector_bits` is 0 where the target has none: then every value is scalar.
    """

    name: str
    triple: str
    cpu: str
    features: str
    vector_bits: int
    rows_by_vectors: tuple[int, int]
    """The register tile of a matrix product: rows × vectors of columns."""

    @property
    def family(self) -> str:
        """The processor's family: `x86`, `arm`, or nothing."""
        start = self.triple.split("-")[0]
        return "x86" if start == "x86_64" else "arm" if start in ("aarch64", "arm64") else ""


_TELLING = ("vendor_id", "cpu family", "model", "model name", "stepping", "flags")
"""What decides the features of a processor, as Linux calls it."""

_TILES = {"avx512": (512, (6, 4)), "avx2": (256, (6, 2)), "neon": (128, (6, 4)), "scalar": (0, (4, 4))}


@cache
def host() -> Target:
    """Return the target for the machine this runs on.

    LLVM knows it, and loading LLVM takes longer than a small step, so it is kept on disk, by what the system says of
    the processor.
    """
    processor = _processor()
    if not processor:
        return _seen()
    file = hashlib.sha256(f"{compiler_version()}\n{processor}".encode()).hexdigest() + ".host"
    known = kept(file)
    if known is not None:
        name, triple, cpu, features, bits, (rows, vectors) = json.loads(known)
        return Target(name, triple, cpu, features, bits, (rows, vectors))
    found = _seen()
    keep(file, json.dumps(astuple(found)).encode())
    return found


def _processor() -> str:
    """Return what Linux says of an x86 processor that may decide its target; nothing elsewhere."""
    if sys.platform != "linux" or os.uname().machine != "x86_64":
        return ""
    try:
        with open("/proc/cpuinfo", encoding="utf8") as file:
            lines = file.read(1 << 13).split("\n\n")[0].splitlines()
    except (OSError, UnicodeDecodeError):
        return ""
    told = dict(line.partition(":")[::2] for line in lines)
    about = {name.strip(): value.strip() for name, value in told.items()}
    known = [about.get(name, "") for name in _TELLING]
    return "\n".join(known) if all(known) else ""


def _seen() -> Target:
    """Return the target for this machine as LLVM sees it."""
    import platform

    binding = _llvm()
    features = binding.get_host_cpu_features()
    if features.get("avx512f") and features.get("avx512dq") and features.get("avx512vl"):
        kind = "avx512"
    elif features.get("avx2") and features.get("fma"):
        kind = "avx2"
    elif platform.machine().lower() in ("arm64", "aarch64"):
        kind = "neon"
    else:
        kind = "scalar"
    bits, tile = _TILES[kind]
    # The name of the processor can be misreported by a virtual machine; the list of features is not.
    return Target(kind, binding.get_process_triple(), binding.get_host_cpu_name(), features.flatten(), bits, tile)


@cache
def narrowed(kind: str) -> Target:
    """Return a target of fewer features than the host's (`avx2`, `scalar`), or another machine's (`neon`).

    What is made for `neon` can be emitted and looked at anywhere, and loaded on an ARM machine only.
    """
    bits, tile = _TILES[kind]
    here = host()
    if kind == here.name:
        return here
    if kind == "neon":
        return Target(kind, "aarch64-unknown-linux-gnu", "generic", "+neon", bits, tile)
    if kind == "avx2":
        kept = [f for f in here.features.split(",") if f.startswith("+") and "avx512" not in f and "avx10" not in f]
        features = ",".join([*kept, "-avx512f"])
        return Target(kind, here.triple, "x86-64-v3", features, bits, tile)
    return Target(kind, here.triple, "generic" if here.family != "x86" else "x86-64", "", bits, tile)


@dataclass
class Code:
    """Loaded machine code. It lives as long as this object does."""

    object_code: bytes
    engine: Any

    def address(self, name: str) -> int:
        """Return the address of a function."""
        found: int = self.engine.get_function_address(name)
        if not found:
            raise PullbackError(f"compile: the loaded code has no function {name!r}")
        return found

    def function(self, name: str, *arguments: Any, result: Any = None) -> Callable[..., Any]:
        """Return a function as ctypes calls it: without the interpreter's lock."""
        return ctypes.CFUNCTYPE(result, *arguments)(self.address(name))


def compile_text(text: str, target: Target, level: int = 2) -> bytes:
    """Return the object code of a module given as LLVM text; it is verified first."""
    binding = _llvm()
    if target.triple.startswith("aarch64"):
        binding.initialize_all_targets()
        binding.initialize_all_asmprinters()
    module = binding.parse_assembly(f'target triple = "{target.triple}"\n{text}')
    module.verify()
    code: bytes = _target_machine(target, level).emit_object(module)
    return code


def compiler_version() -> str:
    """Return the version of the compiler, on which object code depends."""
    import llvmlite

    return f"llvmlite {llvmlite.__version__}"


def load(object_code: bytes, target: Target) -> Code:
    """Load object code into this process: LLVM does where it is not of the plain kind that `linked` takes."""
    found = linked(object_code)
    if found is not None:
        return Code(object_code, found)
    binding = _llvm()
    empty = binding.parse_assembly(f'target triple = "{target.triple}"')
    engine = binding.create_mcjit_compiler(empty, _fresh_machine(target, 2))
    engine.add_object_file(binding.ObjectFileRef.from_data(object_code))
    engine.finalize_object()
    return Code(object_code, engine)


def _fresh_machine(target: Target, level: int) -> Any:
    found = _llvm().Target.from_triple(target.triple)
    # The loader may put code and constants further apart than the 2 GB that the small model can bridge on an x86.
    model = "large" if target.family == "x86" else "small"
    return found.create_target_machine(
        cpu=target.cpu, features=target.features, opt=level, reloc="pic", codemodel=model, jit=True
    )


@cache
def _target_machine(target: Target, level: int) -> Any:
    return _fresh_machine(target, level)


@cache
def _llvm() -> Any:
    """Return llvmlite's binding, set up. It is imported only by whoever compiles."""
    try:
        import llvmlite.binding as binding
    except ImportError as error:  # pragma: no cover - llvmlite belongs to the installation
        raise PullbackError(
            f"compile: llvmlite cannot be imported ({error}). Install it with\n"
            f"  {sys.executable} -m pip install llvmlite"
        ) from error
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    return binding
