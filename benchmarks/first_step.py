"""The first training step, compiling included, and the most memory of training: a fresh process for each sample."""

from __future__ import annotations

import tempfile
from time import perf_counter

from .child import ChildFailed, run
from .figures import Figure, Goal, Settings, figure, missing
from .installed import BY_HAND
from .measure import Sample, peak_memory
from .trainers import COMPILED_TORCH, EAGER, ONLY, TRAINERS, absent, use_threads
from .workloads.problems import PROBLEMS

TITLE = "First step, compiling included, and peak memory of up to 10 steps, each in a fresh process, one thread"
COLD, COMPILING, STORED, PEAK = "first step", "compiling", "first step, code on disk", "peak memory"
LATER = "a later step"
GOALS = [
    Goal(f"W1, {COLD}", 0.3),
    Goal(f"W1, {STORED}", 0.1),
    Goal(f"W5, {COLD}", 3.0),
    Goal(f"W5, {STORED}", 0.1),
    Goal(f"W3, {PEAK}", 0.5, times="torch"),
    Goal(f"W5, {PEAK}", 0.5, times="torch"),
]
TRAINED, PATIENCE = 10, 20.0  # steps for the memory; fewer of whoever needs more seconds than that
CAPTURED = 3  # calls after which everybody has compiled: tinygrad captures its second one
ONCE = (COMPILED_TORCH, "tinygrad")  # one sample: the first compiles as long as all others together


def figures(settings: Settings) -> list[Figure]:
    """Cold: no cache of any library. Then from pullback's cache, and the memory."""
    result = []
    for workload in ("W1",) if settings.quick else ("W1", "W5"):
        result += _first(workload, settings)
    for workload in ("W3",) if settings.quick else ("W3", "W5"):
        result += _memory(workload, settings)
    return result


def _contenders(workload: str, quick: bool) -> list[str]:
    out = {c for c, only in ONLY.items() if only != workload} | {BY_HAND} | ({COMPILED_TORCH} if quick else set())
    return [c for c in TRAINERS if c not in out]


def _first(workload: str, settings: Settings) -> list[Figure]:
    rounds = 1 if settings.quick else 3
    _without_caches("pullback", workload)  # so that no process after it compiles Python's own code
    contenders = _contenders(workload, settings.quick)
    absences = {c: absent(c, workload) for c in contenders}
    samples: dict[str, list[Sample]] = {c: [] for c in contenders}
    for turn in range(rounds):
        for c in contenders:
            if absences[c] is None and not (turn and c in ONCE):
                settings.tell(f"{workload}, {COLD}: {c}")
                try:
                    samples[c].append(_without_caches(c, workload))
                except ChildFailed as failure:
                    absences[c] = f"fails: {str(failure)[:80]}"
    result = []
    for quantity in (COLD, COMPILING):
        name = f"{workload}, {quantity}"
        for c in contenders:
            if absences[c] is not None:
                result.append(missing(name, c, "s", absences[c]))
            elif quantity == COLD or c != EAGER:
                note = "one sample" if c in ONCE else ""
                result.append(figure(name, c, "s", [s[quantity] for s in samples[c]], note))
    settings.tell(f"{workload}, {STORED}")
    stored = _stored(workload, rounds)
    note = "the first step computes, too"
    result.append(figure(f"{workload}, {STORED}", "pullback", "s", [s[COLD] for s in stored]))
    result.append(figure(f"{workload}, {LATER}", "pullback", "s", [s[LATER] for s in stored], note))
    return result


def _without_caches(contender: str, workload: str) -> Sample:
    with tempfile.TemporaryDirectory() as folder:
        cold = {"PULLBACK_CACHE": "", "TORCHINDUCTOR_CACHE_DIR": folder, "CACHELEVEL": "0"}
        return _child(contender, workload, cold)


def _stored(workload: str, rounds: int) -> list[Sample]:
    """From pullback's own cache, which the first of these processes fills."""
    with tempfile.TemporaryDirectory() as folder:
        found = [_child("pullback", workload, {"PULLBACK_CACHE": folder}) for _ in range(1 + rounds)]
    return found[1:]


def _child(contender: str, workload: str, environment: dict[str, str]) -> Sample:
    function = "benchmarks.first_step:seconds"
    surroundings = {**environment, "PYTHONDONTWRITEBYTECODE": ""}  # else each process compiles all Python code anew
    done: Sample = run(function, one_thread=True, environment=surroundings, contender=contender, workload=workload)
    return done


def seconds(contender: str, workload: str) -> Sample:
    """The seconds of the first step of this process, when the library is loaded and the model built.

    And of them those that go into compiling: what the first steps take longer than as many later ones; and the seconds
    of a later step.
    """
    use_threads(contender, 1)
    step = TRAINERS[contender](PROBLEMS[workload]())
    taken = []
    for i in range(CAPTURED + 2):
        begin = perf_counter()
        float(step(i))
        taken.append(perf_counter() - begin)
    later = min(taken[CAPTURED:])
    return {COLD: taken[0], COMPILING: sum(taken[:CAPTURED]) - CAPTURED * later, LATER: later}


def _memory(workload: str, settings: Settings) -> list[Figure]:
    quantity, result = f"{workload}, {PEAK}", []
    for c in _contenders(workload, settings.quick):
        settings.tell(f"{quantity}: {c}")
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
    step, begin = TRAINERS[contender](PROBLEMS[workload]()), perf_counter()
    for i in range(TRAINED):
        float(step(i))
        if i >= CAPTURED and perf_counter() - begin > PATIENCE:
            break
    return peak_memory()
