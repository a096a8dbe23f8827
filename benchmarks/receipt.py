"""A receipt: how long the full account of one gradient takes, for one weight of the 784-128-10 step."""

from __future__ import annotations

from time import perf_counter

from .child import run
from .figures import Figure, Goal, Settings, figure
from .measure import Sample, interleaved
from .step import LR, problem

TITLE = "Receipt of one weight of the 784-128-10 step, checked by finite differences, with the optimiser's update"
FULL, TEXT = "receipt", "receipt, as text"
GOALS = [Goal(FULL, 50.0)]


def figures(settings: Settings) -> list[Figure]:
    """Measure in one process with one thread; nobody else has such a thing."""
    rounds = 5 if settings.quick else 41
    samples = run("benchmarks.receipt:timings", one_thread=True, rounds=rounds)
    return [figure(quantity, "pullback", "ms", samples[quantity]) for quantity in (FULL, TEXT)]


def timings(rounds: int) -> dict[str, list[float]]:
    """The milliseconds of a receipt and of its text, after checking that it adds up to the engine's gradient."""
    import pullback as pb
    from pullback import nn, optim

    weights, batches = problem()
    model = nn.Sequential(nn.Linear(784, 128), nn.Tanh(), nn.Linear(128, 10))
    for parameter, w in zip(model.parameters(), weights, strict=True):
        parameter.data = w
    optimizer = optim.SGD(model.parameters(), lr=LR)
    x, labels = (pb.tensor(a) for a in batches[0])
    loss = nn.CrossEntropyLoss()(model(x), labels)

    def explained() -> Sample:
        begin = perf_counter()
        receipt = pb.explain(loss, model[0].weight, index=(3, 400), optimizer=optimizer, lang="en")
        made = perf_counter()
        receipt.text()
        done = perf_counter()
        if not (receipt.agrees and receipt.check.verdict == "agrees"):
            raise ArithmeticError(f"the receipt does not add up:\n{receipt}")
        return {FULL: (made - begin) * 1e3, TEXT: (done - begin) * 1e3}

    return interleaved({"pullback": explained}, rounds)["pullback"]
