"""The training steps W1 to W6 as native code, beside the other libraries' compiled and eager steps."""

from __future__ import annotations

import os
from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np

from .child import ChildFailed, run
from .figures import FLOOR, QUICKEST, Figure, Goal, Settings, figure, missing
from .floor import floor_of
from .measure import Sample, interleaved
from .trainers import COMPILED_TORCH, ONLY, TRAINERS, absent, use_threads
from .workloads import in_pullback
from .workloads.operations import OPERATIONS
from .workloads.problems import PROBLEMS

TITLE = "Training steps W1 to W6 (benchmarks/workloads), compiled, float32; floor: their products at the peak"
COMPARED, BOUND = 20, 1e-3  # steps of which the losses are compared; float32 over so few of them stays far below
FEWEST, PATIENCE = 5, 5.0  # steps that are compared of whoever needs more seconds than that for all
SLOW = 0.2  # seconds of a step: whoever needs more takes part in every fifth round only
BLOCK = 0.03  # seconds for which a contender runs before the next one has its turn
PRODUCTS, ALONE = "its products alone", "pullback, one thread"
THREADS = {"one thread": 1, "two threads": 2}
AHEAD = "one thread, running ahead"  # the loss is read once in a block: who computes in the background has two cores
LIGHT = ("W1", "W2")  # steps so short that it makes a difference
BESIDE = "beside its products"


def title(workload: str, words: str) -> str:
    """The quantity's name."""
    return f"{workload}, {words}"


def _goals(workload: str, quickest: float, **times: float) -> list[Goal]:
    """At most these shares of the quickest library's time and of others'."""
    return [Goal(title(workload, "one thread"), most, c) for c, most in {QUICKEST: quickest, **times}.items()]


GOALS = [
    *_goals("W1", 1 / 1.8, torch=1 / 3),
    Goal(title("W1", BESIDE), 1.25, times=PRODUCTS),
    Goal(title("W1", "two threads"), 1 / 1.5, times=ALONE),
    *_goals("W2", 1 / 3, torch=1 / 6),
    *_goals("W3", 1 / 1.25, torch=1 / 1.7),
    *_goals("W4", 1 / 1.3),
    Goal(title("W4", BESIDE), 1.3, times=PRODUCTS),
    *_goals("W5", 1 / 1.4),
    *_goals("W6", 1 / 2, micrograd=1 / 10_000),
]


def figures(settings: Settings) -> list[Figure]:
    """One process per workload and number of threads, in which all take turns; the quick form has two workloads."""
    result = []
    for workload in ("W1", "W2") if settings.quick else PROBLEMS:
        for words, threads in (THREADS | ({AHEAD: 1} if workload in LIGHT and not settings.quick else {})).items():
            settings.tell(title(workload, words))
            try:
                result += _figures(settings, workload, words, threads)
            except ChildFailed as failure:  # the other workloads are measured all the same
                result.append(missing(title(workload, words), "pullback", "µs", f"fails: {failure}"))
        if any(g.quantity == title(workload, BESIDE) for g in GOALS):
            settings.tell(title(workload, BESIDE))
            rounds = 3 if settings.quick else 15
            samples = run("benchmarks.compiled:share", one_thread=True, workload=workload, rounds=rounds)
            for c, times in samples.items():
                note = "kernels of matrix products with their epilogues, by step.report()" if c == PRODUCTS else ""
                result.append(figure(title(workload, BESIDE), c, "µs", times["µs"], note))
    return result


def _figures(settings: Settings, workload: str, words: str, threads: int) -> list[Figure]:
    wanted = [c for c in TRAINERS if not (settings.quick and c == COMPILED_TORCH)]
    absences = {c: absent(c, workload) for c in wanted}
    if threads > (os.cpu_count() or 1):
        absences = dict.fromkeys(wanted, f"this machine has not {threads} cores")
    present = [c for c in wanted if absences[c] is None]
    rounds = 3 if settings.quick else 15
    how = {"workload": workload, "threads": threads, "rounds": rounds, "ahead": words == AHEAD}
    done = _measured(present, **how) if present else {}
    result = []
    for c in (*wanted, ALONE, FLOOR):
        if c in done.get("samples", {}):
            note = _floor_note(workload, done) if c == FLOOR else _note(done, c)
            result.append(figure(title(workload, words), c, "µs", done["samples"][c]["µs"], note))
        elif c in present:
            result.append(missing(title(workload, words), c, "µs", done["failed"][c]))
        elif c in wanted and ONLY.get(c, workload) == workload:
            result.append(missing(title(workload, words), c, "µs", str(absences[c])))
    return result


def _measured(present: list[str], **settings: Any) -> dict[str, Any]:
    function, one_thread = "benchmarks.compiled:timings", settings["threads"] == 1
    try:
        return run(function, one_thread=one_thread, contenders=present, **settings)
    except ChildFailed:
        if COMPILED_TORCH not in present:
            raise
    # It brings a compiler of its own, and can take the whole process with it.
    others = [c for c in present if c != COMPILED_TORCH]
    done = run(function, one_thread=one_thread, contenders=others, **settings)
    return done | {"failed": done["failed"] | {COMPILED_TORCH: "ends the process"}}


def _note(done: dict[str, Any], contender: str) -> str:
    if contender == ALONE:
        return "one thread in the same round"
    first = done["first"][contender]
    seconds = "< 0.01" if first < 0.01 else f"{first:.0f}" if first >= 10 else f"{first:.2g}"
    return f"loss within {done['apart'][contender]:.0e}, first step {seconds} s"


def _floor_note(workload: str, done: dict[str, Any]) -> str:
    operations, time = OPERATIONS[workload], np.median(done["samples"][FLOOR]["µs"])
    count = f"{operations / 1e9:.3g} G" if operations >= 1e9 else f"{operations / 1e6:.3g} M"
    return f"{count}FLOP in products at {operations / time / 1e3:,.0f} GFLOP/s"


def timings(contenders: list[str], workload: str, threads: int, rounds: int, ahead: bool = False) -> dict[str, Any]:
    """The microseconds of a step of each contender, after comparing the losses of the first steps.

    The loss is read after each step, as by who watches or stops a training; or, if they may run `ahead`, at the end.

    `apart` is the largest difference from the losses of eager pullback, relative to the first of them. Who fails, or
    computes something else, is in `failed` with the reason; pullback's own steps raise instead.
    """
    use_threads("pullback", threads)
    problem = PROBLEMS[workload]()
    right = _losses(in_pullback.step(problem, compiled=False))
    runs: dict[str, Callable[[], Sample]] = {}
    if "pullback" in contenders and threads > 1:
        runs[ALONE] = _alone(in_pullback.step(problem), threads)
    steps, apart, first, failed, slow = {}, {}, {}, {}, []
    for c in contenders:  # pullback's come first, before the other libraries are loaded
        try:
            use_threads(c, threads)
            steps[c] = TRAINERS[c](problem)
            begin, ends = perf_counter(), []
            losses = _losses(steps[c], ends)
            first[c] = ends[0] - begin
            if ends[-1] - ends[-2] > SLOW:
                slow.append(c)
        except Exception as failure:
            if c.startswith("pullback"):
                raise
            failed[c] = f"{type(failure).__name__}: {str(failure).splitlines()[0] if str(failure) else ''}"[:90]
            steps.pop(c, None)
            continue
        count = min(len(losses), len(right))
        apart[c] = float(np.abs(losses[:count] - right[:count]).max() / abs(right[0]))
        if not apart[c] < BOUND:
            if c.startswith("pullback"):
                raise ArithmeticError(f"{c} computes other losses than pullback does eagerly: {apart[c]:.1e} apart")
            failed[c] = f"computes something else: losses {apart[c]:.0e} apart"
            del steps[c]
    runs |= {c: block(step, ahead) for c, step in steps.items()}
    runs[FLOOR] = floor_of(OPERATIONS[workload], threads)
    return {"samples": interleaved(runs, rounds, slow), "apart": apart, "first": first, "failed": failed}


def _losses(step: Callable[[int], Any], ends: list[float] | None = None) -> Any:
    losses, begin = [], perf_counter()
    for i in range(COMPARED):
        losses.append(float(step(i)))
        if ends is not None:
            ends.append(perf_counter())
        if i + 1 >= FEWEST and perf_counter() - begin > PATIENCE:
            break
    return np.array(losses)


def block(step: Callable[[int], Any], ahead: bool = False) -> Callable[[], Sample]:
    """What measures the microseconds of a step over many. `step` has been called before, so that it is compiled."""
    begin = perf_counter()
    float(step(0))
    seconds = perf_counter() - begin
    count = max(1, min(200, int(BLOCK / seconds)))
    before = 0 if seconds > SLOW else min(count, 3)

    def sample() -> Sample:
        for i in range(before):  # a step in the middle of a training, not the first after somebody else's
            float(step(i))
        begin = perf_counter()
        for i in range(count):
            loss = step(i)
            if not ahead or i == count - 1:
                float(loss)
        return {"µs": (perf_counter() - begin) / count * 1e6}

    return sample


def share(workload: str, rounds: int) -> dict[str, Any]:
    """The microseconds of a step, and of its matrix products run one by one, of pullback alone."""
    import pullback as pb

    use_threads("pullback", 1)
    train, batches = in_pullback.training(PROBLEMS[workload]())
    step = pb.compile(train)

    def products() -> Sample:
        return {"µs": sum(k.milliseconds for k in step.report().kernels if k.kind == "product") * 1e3}

    float(step(*batches[0]))
    step_only = block(lambda i: step(*batches[i % len(batches)]))
    return interleaved({"pullback": step_only, PRODUCTS: products}, rounds)


def _alone(step: Callable[[int], Any], threads: int) -> Callable[[], Sample]:
    import pullback as pb

    float(step(0))
    steps = block(step)

    def sample() -> Sample:
        pb.set_num_threads(1)
        try:
            return steps()
        finally:
            pb.set_num_threads(threads)

    return sample
