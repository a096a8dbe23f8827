"""The first training step, compiling included, and the most memory of training: a fresh process for each sample."""

from __future__ import annotations

import tempfile
from time import perf_counter

from .child import ChildFailed, run
from .figures import Figure, Goal, Settings, figure, missing
from .measure import interleaved, peak_memory
from .trainers import COMPILED_TORCH, TRAINERS, absent, use_threads
from .workloads.problems import PROBLEMS

TITLE = "First step, compiling included, and peak memory of 10 steps, each in a fresh process"
COLD, STORED, PEAK = "first step", "first step, code on disk", "peak memory"
GOALS = [
    Goal(f"W1, {COLD}", 0.3),
    Goal(f"W1, {STORED}", 0.1),
    Goal(f"W5, {COLD}", 3.0),
    Goal(f"W3, {PEAK}", 0.5, times="torch"),
    Goal(f"W5, {PEAK}", 0.5, times="torch"),
]
TRAINED = 10


def figures(settings: Settings) -> list[Figure]:
    """Cold: no cache of any library. Then from pullback's cache, and the memory."""
    result = []
    for workload in ("W1",) if settings.quick else ("W1", "W5"):
        result += _first(workload, 1 if settings.quick else 3, settings.quick)
    for workload in ("W3",) if settings.quick else ("W3", "W5"):
        result += _memory(workload, settings.quick)
    return result


def _contenders(quick: bool, *out: str) -> list[str]:
    return [c for c in TRAINERS if c not in ("micrograd", *out) and not (quick and c == COMPILED_TORCH)]


def _first(workload: str, rounds: int, quick: bool) -> list[Figure]:
    quantity = f"{workload}, {COLD}"
    contenders = _contenders(quick, COMPILED_TORCH)
    absences = {c: absent(c, workload) for c in contenders}
    present = [c for c in contenders if absences[c] is None]
    with tempfile.TemporaryDirectory() as folder:
        stored = {"PULLBACK_CACHE": folder}
        cold = {"PULLBACK_CACHE": ""}
        samples = interleaved({c: lambda c=c: {"s": _seconds(c, workload, cold)} for c in present}, rounds)
        result = [
            figure(quantity, c, "s", samples[c]["s"]) if c in present else missing(quantity, c, "s", str(absences[c]))
            for c in contenders
        ]
        again = interleaved({"pullback": lambda: {"s": _seconds("pullback", workload, stored)}}, rounds)
    if not quick and absent(COMPILED_TORCH, workload) is None:
        result.append(_torch_compile(workload))
    result.append(figure(f"{workload}, {STORED}", "pullback", "s", again["pullback"]["s"]))
    return result


def _torch_compile(workload: str) -> Figure:
    """Once: it takes as long as everything else together."""
    quantity = f"{workload}, {COLD}"
    with tempfile.TemporaryDirectory() as folder:
        try:
            seconds = _seconds(COMPILED_TORCH, workload, {"TORCHINDUCTOR_CACHE_DIR": folder})
        except ChildFailed as failure:
            return missing(quantity, COMPILED_TORCH, "s", f"fails: {str(failure)[:80]}")
    return figure(quantity, COMPILED_TORCH, "s", [seconds], "one sample")


def _seconds(contender: str, workload: str, environment: dict[str, str]) -> float:
    function = "benchmarks.first_step:seconds"
    done: float = run(function, one_thread=True, environment=environment, contender=contender, workload=workload)
    return done


def seconds(contender: str, workload: str) -> float:
    """The seconds of the first step of this process, when the library is loaded and the model built."""
    use_threads(contender, 1)
    step = TRAINERS[contender](PROBLEMS[workload]())
    begin = perf_counter()
    float(step(0))
    return perf_counter() - begin


def _memory(workload: str, quick: bool) -> list[Figure]:
    quantity, result = f"{workload}, {PEAK}", []
    for c in _contenders(quick):
        why = absent(c, workload)
        if why is None:
            try:
                bytes_ = run("benchmarks.first_step:peak", one_thread=True, contender=c, workload=workload)
            except ChildFailed as failure:
                why = f"fails: {str(failure)[:80]}"
            else:
                why = None if bytes_ is not None else "this system does not tell"
        result.append(figure(quantity, c, "MB", [bytes_ / 1e6]) if why is None else missing(quantity, c, "MB", why))
    return result


def peak(contender: str, workload: str) -> int | None:
    """The peak of this process after some steps: the library, the model and its training."""
    use_threads(contender, 1)
    step = TRAINERS[contender](PROBLEMS[workload]())
    for i in range(TRAINED):
        float(step(i))
    return peak_memory()
