"""What every test shares."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from pullback import control, mappings  # noqa: F401  # control flow declares mappings, too

# What is told of every mapping of the catalogue is told of those that layers and optimisers bring, too.
mappings.complete()

# A first call may import or compile, and a machine may be busy: time is what the benchmark measures.
settings.register_profile("pullback", deadline=None)
settings.load_profile("pullback")


class Agreement:
    """Holds a result against an independent reference, and notes how far the two are apart.

    `agreement.compare(kind, name, quantity, have, want)` computes the relative error max|have − want| / max|want|
    over all elements, notes it and fails when it exceeds `target`. `agreement(kind, name, quantity, error)` does
    the same with an error that was computed elsewhere. A `target` above 1e-12 needs a `reason`, which stands in
    the table: `make agreement` runs the tests and makes docs/agreement.md from the notes.

    - kind: "layer", "loss", "optimiser", "schedule", "metric", …
    - name: the public name, such as "Conv2d".
    - quantity: "value", "gradient", "second order", or for an optimiser the trajectory: "parabola", "Rosenbrock",
      "network".
    - reference: what it was held against; a formula that is written out in the test says so.
    """

    def __call__(self, kind, name, quantity, relative_error, *, target=1e-12, reason="", reference="torch"):
        error = float(relative_error)
        if target > 1e-12 and not reason:
            raise ValueError(f"{name}: a target of {target} needs a reason, which stands in the table")
        assert error <= target, f"{name}: the {quantity} is {error:.2e} from {reference}'s, more than {target:.0e}"
        notes = os.environ.get("PULLBACK_AGREEMENT")
        if notes:
            record = {"kind": kind, "name": name, "quantity": quantity, "error": error, "target": target}
            line = json.dumps({**record, "reason": reason, "reference": reference}, ensure_ascii=False)
            with Path(notes).open("a", encoding="utf-8") as file:
                file.write(line + "\n")

    def compare(self, kind, name, quantity, have, want, **options):
        self(kind, name, quantity, relative_error(have, want), **options)


def relative_error(have, want):
    """max|have − want| / max|want|; the same NaN and infinities on both sides agree."""
    have, want = (np.asarray(x.detach() if hasattr(x, "detach") else x) for x in (have, want))
    assert have.shape == want.shape, f"expected shape {want.shape}, got {have.shape}"
    same = (have == want) | (np.isnan(have) & np.isnan(want))
    if np.all(same):
        return 0.0
    apart = np.abs(np.where(same, 0, have - want)).max()
    size = np.abs(want, where=np.isfinite(want), out=np.zeros(want.shape)).max()
    return float(apart / size) if size else float(apart)


@pytest.fixture(scope="session")
def agreement():
    """How far results are from a reference: checked, and noted for docs/agreement.md."""
    return Agreement()
