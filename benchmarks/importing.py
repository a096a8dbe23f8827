"""What it costs to have the library: seconds to import it, and megabytes on the disk."""

from __future__ import annotations

import os
import subprocess
import sys

from .figures import Figure, Goal, Settings, figure, missing
from .installed import BY_HAND, INSTALL, distributions, is_installed, size_of
from .measure import Sample, interleaved

TITLE = "Import and size"
SECONDS, OWN_SIZE, WHOLE_SIZE = "import beyond NumPy's", "installed size", "with all that it requires"
GOALS = [Goal(SECONDS, 0.10)]
MODULES = {"micrograd": "micrograd.engine"}  # the package itself is empty
NOTES = {"tinygrad": "and clang, which it runs for every kernel"}
PROGRAM = """
import time
import numpy
start = time.process_time()
import {module}
print(time.process_time() - start)
"""


def figures(settings: Settings) -> list[Figure]:
    """Each sample is a new interpreter that has imported NumPy and now imports the library.

    The first, which is not counted, leaves the byte code of every library behind, as an installation does, and
    the files in memory. What is timed is the processor's work, so that what else runs on the machine is not.
    """
    wanted = [c for c in settings.contenders if c != BY_HAND]
    present = [c for c in wanted if is_installed(c)]
    samples = interleaved({c: lambda c=c: _import(c) for c in present}, 5 if settings.quick else 9)
    result = [
        figure(SECONDS, c, "s", samples[c][SECONDS]) if c in present else missing(SECONDS, c, "s", INSTALL)
        for c in wanted
    ]
    for c in present:
        result.append(figure(OWN_SIZE, c, "MB", [size_of(c) / 1e6], NOTES.get(c, "")))
    for c in present:
        result.append(figure(WHOLE_SIZE, c, "MB", [sum(map(size_of, distributions(c))) / 1e6]))
    return result


def _import(module: str) -> Sample:
    command = [sys.executable, "-c", PROGRAM.format(module=MODULES.get(module, module))]
    # Where byte code is not written, what is not installed by pip would be compiled anew for every sample.
    surroundings = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(command, env=surroundings, capture_output=True, text=True, check=True)
    return {SECONDS: float(done.stdout)}
