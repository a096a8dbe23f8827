"""Make docs/agreement.md from what the tests noted: `python tests/agreement.py NOTES docs/agreement.md`.

The notes are written by the fixture `agreement` (tests/conftest.py) when PULLBACK_AGREEMENT names a file; the
largest error of all cases of a name stands in the table.
"""

import json
import sys
from pathlib import Path

HEADER = """\
# Agreement with independent references

Made by the tests (`make agreement`): each layer, loss, optimiser and schedule is run beside PyTorch, optax or
scikit-learn in float64 from the same weights, or beside its formula written out in NumPy where they have none.
The number is the largest relative error, max|ours − theirs| / max|theirs|, over all cases and settings of the
tests; 0 is agreement in every bit. The target is 1e-12; what is above it has its reason below the table. A test
fails when an error exceeds its target. Other machines round differently, so the last digits of float64 (1e-16)
may differ there.
"""

KINDS = {
    "layer": ("Layers", ["value", "gradient", "second order"]),
    "loss": ("Losses", ["value", "gradient", "second order"]),
    "optimiser": (
        "Optimisers: every step of a trajectory",
        ["parabola", "Rosenbrock", "network"],
    ),
    "schedule": ("Schedules: every step", ["learning rate", "momentum"]),
    "model": ("Whole models, trained beside PyTorch's", ["value", "gradient", "losses"]),
    "averaging": ("Averages of weights", ["weights", "statistics"]),
}


def read(lines):
    """The notes as {kind: {name: {quantity: (error, target)}}}, and the references and reasons by kind and name."""
    found, references, reasons = {}, {}, {}
    for line in lines:
        note = json.loads(line)
        kind, name, quantity = note["kind"], note["name"], note["quantity"]
        row = found.setdefault(kind, {}).setdefault(name, {})
        error, target = row.get(quantity, (0.0, 0.0))
        row[quantity] = max(error, note["error"]), max(target, note["target"])
        references.setdefault((kind, name), set()).add(note["reference"])
        if note["reason"] and note["error"] > 1e-12:
            reasons.setdefault(kind, set()).add((name, quantity, note["reason"]))
    return found, references, reasons


def table(kind, rows, references, reasons):
    title, known = KINDS.get(kind, (kind.capitalize(), []))
    seen = {quantity for row in rows.values() for quantity in row}
    quantities = [q for q in known if q in seen] + sorted(seen - set(known))
    lines = [f"## {title}", "", "| | " + " | ".join(quantities) + " | reference |"]
    lines.append("|---|" + "---:|" * len(quantities) + "---|")
    for name in sorted(rows, key=str.lower):
        cells = [shown(rows[name].get(quantity)) for quantity in quantities]
        lines.append(f"| {name} | " + " | ".join(cells) + f" | {', '.join(sorted(references[kind, name]))} |")
    notes = sorted(reasons.get(kind, ()))
    if notes:
        lines += ["", "Above the target of 1e-12, and why:", ""]
        lines += [f"- {name}, {quantity}: {reason}." for name, quantity, reason in notes]
    return "\n".join(lines) + "\n"


def shown(entry):
    return "–" if entry is None else "0" if entry[0] == 0 else f"{entry[0]:.0e}"


def page(lines):
    found, references, reasons = read(lines)
    order = [kind for kind in KINDS if kind in found] + sorted(found.keys() - KINDS.keys())
    return "\n".join([HEADER, *(table(kind, found[kind], references, reasons) for kind in order)])


if __name__ == "__main__":
    notes, target = map(Path, sys.argv[1:])
    target.write_text(page(notes.read_text(encoding="utf-8").splitlines()), encoding="utf-8")
    print(f"wrote {target}")
