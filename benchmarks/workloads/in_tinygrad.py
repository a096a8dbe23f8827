"""The workloads in tinygrad: the whole step captured by `TinyJit`, C code compiled by clang."""

from __future__ import annotations

import atexit
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from .problems import Problem

__all__ = ["compiler", "settle", "step"]


def step(problem: Problem) -> Callable[[int], Any]:
    """Return what trains on batch i and returns the loss."""
    settle()
    from tinygrad import Context, Tensor, TinyJit
    from tinygrad.nn import optim

    p = {name: Tensor(w) for name, w in problem.weights.items()}

    def dense(name: str, x: Any) -> Any:
        return x @ p[f"{name}.weight"].T + p[f"{name}.bias"]

    def norm(name: str, x: Any) -> Any:
        return x.layernorm() * p[f"{name}.weight"] + p[f"{name}.bias"]

    def conv(name: str, x: Any) -> Any:
        return x.conv2d(p[f"{name}.weight"], p[f"{name}.bias"], padding=1)

    def letters(x: Any) -> Any:
        inputs = p["embedding.weight"][x] @ p["lstm.weight_ih_l0"].T
        inputs = (inputs + p["lstm.bias_ih_l0"] + p["lstm.bias_hh_l0"]).contiguous()
        h = c = Tensor.zeros(x.shape[0], 256)
        hs = []
        for t in range(x.shape[1]):
            i, f, g, o = (inputs[:, t] + h @ p["lstm.weight_hh_l0"].T).chunk(4, dim=-1)
            c = (f.sigmoid() * c + i.sigmoid() * g.tanh()).contiguous()
            h = (o.sigmoid() * c.tanh()).contiguous()
            hs.append(h)
        return dense("out", Tensor.stack(*hs, dim=1)).reshape(-1, 96)

    def gpt(x: Any) -> Any:
        heads = problem.settings["heads"]
        h = p["tokens.weight"][x] + p["places.weight"][: x.shape[1]]
        n, t, d = h.shape
        for i in range(problem.settings["layers"]):
            block = f"blocks.{i}"
            qkv = dense(f"{block}.qkv", norm(f"{block}.norm1", h)).reshape(n, t, 3, heads, d // heads)
            q, k, v = (qkv[:, :, j].permute(0, 2, 1, 3) for j in range(3))
            mixed = q.scaled_dot_product_attention(k, v, is_causal=True)
            h = h + dense(f"{block}.mix", mixed.permute(0, 2, 1, 3).reshape(n, t, d))
            h = h + dense(f"{block}.down", dense(f"{block}.up", norm(f"{block}.norm2", h)).gelu(approximate="none"))
        return dense("out", norm("norm", h)).reshape(-1, 96)

    def images(x: Any) -> Any:
        h = conv("conv2", conv("conv1", x).relu()).relu().max_pool2d((2, 2))
        return dense("fc2", dense("fc1", h.flatten(1)).relu())

    models: dict[str, Callable[[Any], Any]] = {
        "W1": lambda x: dense("fc2", dense("fc1", x).tanh()),
        "W2": lambda x: dense("fc2", dense("fc1", x).relu()),
        "W3": images,
        "W4": letters,
        "W5": gpt,
        "W6": lambda x: dense("fc3", dense("fc2", dense("fc1", x).relu()).relu()),
    }
    model, parameters = models[problem.name], list(p.values())

    def loss_of(x: Any, y: Any) -> Any:
        if problem.name != "W6":
            return model(x).sparse_categorical_crossentropy(y)
        penalty = problem.settings["penalty"] * sum((w * w).sum() for w in parameters)
        return (1 - y * model(x)).relu().mean() + penalty

    optimizers = {
        "W1": lambda: optim.SGD(parameters, lr=problem.lr),
        "W6": lambda: optim.SGD(parameters, lr=problem.lr),
        "W5": lambda: optim.AdamW(parameters, lr=problem.lr, weight_decay=0.01),
    }
    optimizer = optimizers.get(problem.name, lambda: optim.Adam(parameters, lr=problem.lr))()

    @TinyJit
    def train(x: Any, y: Any) -> Any:
        with Context(TRAINING=1):
            optimizer.zero_grad()
            loss = loss_of(x, y)
            loss.backward()
            return loss.realize(*optimizer.schedule_step())

    batches = [(_tensor(Tensor, x), _tensor(Tensor, y)) for x, y in problem.batches]
    return lambda i: train(*batches[i % len(batches)]).item()


def settle() -> None:
    """Tell tinygrad, before it is loaded, to compile for the processor and by what."""
    if "CC" not in os.environ or os.environ.get("DEV") != "CPU":
        os.environ["DEV"] = "CPU"
        os.environ["CC"] = str(_program(compiler()))


def _tensor(kind: Any, array: Any) -> Any:
    return kind(array.astype(np.int32) if array.dtype.kind == "i" else array).realize()


def compiler() -> list[str] | None:
    """The command that is clang: the system's, or the one inside the ziglang package; None where there is none."""
    clang = shutil.which("clang")
    if clang is not None:
        return [clang]
    spec = find_spec("ziglang")
    if spec is None or spec.origin is None or sys.platform == "win32":  # where a script is no program
        return None
    return [str(Path(spec.origin).with_name("zig")), "clang"]


def _program(command: list[str] | None) -> Path:
    """One file that runs the command: tinygrad wants a program's name, without arguments."""
    if command is None:
        raise FileNotFoundError("tinygrad needs clang, or the ziglang package")
    if len(command) == 1:
        return Path(command[0])
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    program = Path(folder) / "clang"
    program.write_text('#!/bin/sh\nexec "{}" {} "$@"\n'.format(*command))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program
