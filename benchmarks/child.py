"""A part of the benchmark in a process of its own: for a number of threads, or to measure its memory."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

__all__ = ["ChildFailed", "run"]

ROOT = Path(__file__).resolve().parents[1]
# Read when the libraries are loaded, hence a new process.
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "BLIS_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
    "NPROC": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
}


class ChildFailed(Exception):
    """The process ended without a result."""


def run(
    function: str, *, one_thread: bool = False, environment: dict[str, str] | None = None, **arguments: Any
) -> Any:
    """Call `function` ("module:name") with `arguments` in a new process, and return its result.

    Arguments and result are what JSON can write. With `one_thread` every library is told to use one
    thread, else what the environment says; `environment` is added to it. Raises ChildFailed with the last line
    that it wrote.
    """
    surroundings = os.environ | (ONE_THREAD if one_thread else {}) | (environment or {})
    command = [sys.executable, "-m", "benchmarks.child", function, json.dumps(arguments)]
    done = subprocess.run(command, cwd=ROOT, env=surroundings, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise ChildFailed(lines[-1] if lines else f"ended with code {done.returncode}")
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    module, name = sys.argv[1].split(":")
    print(json.dumps(getattr(importlib.import_module(module), name)(**json.loads(sys.argv[2]))))
