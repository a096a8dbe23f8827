"""What a person sees while a training runs: a bar in a terminal, a line per epoch elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .callbacks import Callback, GradientHealth

if TYPE_CHECKING:
    from .trainer import Trainer

__all__ = ["ENGLISH", "Bar", "Lines", "epoch_line", "progress_callback"]

ENGLISH = {
    "epoch": "epoch",
    "loss": "loss",
    "accuracy": "accuracy",
    "mae": "mae",
    "mse": "mse",
    "r2": "R²",
    "stopping": "Ctrl-C: stopped after step {batch} of epoch {epoch}; what was learnt is kept",
    "gradient": "gradient",
    "update": "update/weight",
    "fine": "fine",
    "vanishing": "vanishing",
    "exploding": "exploding",
    "none": "no gradient",
}
"""The words that are shown; a callback takes another dictionary with the same keys."""

REDRAWS_PER_SECOND = 10
SHARES = ("accuracy",)
HIDDEN = {"epoch", "seconds", "lr", "health", "batches", "complete"}
COLOURS = {"fine": "green", "vanishing": "yellow", "exploding": "red", "none": "yellow"}


def progress_callback(kind: str | None) -> Callback | None:
    """The callback for the `Trainer`'s argument ``progress``: "auto", "bar", "lines" or None.

    Raises ValueError for anything else.
    """
    if kind is None:
        return None
    if kind not in ("auto", "bar", "lines"):
        raise ValueError(f"progress: expected 'auto', 'bar', 'lines' or None, got {kind!r}")
    return Bar() if kind == "bar" or (kind == "auto" and sys.stderr is not None and sys.stderr.isatty()) else Lines()


class Lines(Callback):
    """Prints one line per epoch, and below it one per layer where a `GradientHealth` is among the callbacks."""

    def __init__(self, words: Mapping[str, str] = ENGLISH) -> None:
        self.words = words

    def on_epoch_end(self, trainer: Trainer, record: dict[str, Any]) -> None:
        print(epoch_line(record, trainer.state.epochs, self.words), flush=True)
        for line in _health_lines(trainer, self.words):
            print(line[0])

    def on_interrupt(self, trainer: Trainer) -> None:
        print(_stopping(trainer, self.words), flush=True)


class Bar(Callback):
    """A bar that fills in the course of each epoch, with the loss and metrics so far; then the epoch's line.

    ``console``: a `rich.console.Console`; by default one on standard error.
    """

    def __init__(self, words: Mapping[str, str] = ENGLISH, console: Any = None) -> None:
        from rich.console import Console

        self.words = words
        self.console = Console(stderr=True) if console is None else console
        self._bar: Any = None
        self._next_redraw = 0.0

    def on_train_begin(self, trainer: Trainer) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=28, complete_style="#2f6f9f", finished_style="#2f6f9f"),
            MofNCompleteColumn(),
            TextColumn("{task.fields[figures]}", markup=False),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            auto_refresh=False,
        )
        self._bar.add_task("", total=trainer.state.batches, figures="")
        self._bar.start()

    def on_epoch_begin(self, trainer: Trainer) -> None:
        state = trainer.state
        title = f"{self.words['epoch']} {state.epoch:>{len(str(state.epochs))}}/{state.epochs}"
        self._bar.reset(self._bar.task_ids[0], description=title)

    def on_batch_end(self, trainer: Trainer) -> None:
        now = time.monotonic()
        if now >= self._next_redraw:
            self._next_redraw = now + 1 / REDRAWS_PER_SECOND
            shown = figures_text(trainer.state.figures, self.words)
            self._bar.update(self._bar.task_ids[0], completed=trainer.state.batch, figures=shown)
            self._bar.refresh()

    def on_epoch_end(self, trainer: Trainer, record: dict[str, Any]) -> None:
        self._print(epoch_line(record, trainer.state.epochs, self.words))
        for line, verdict in _health_lines(trainer, self.words):
            word = self.words[verdict]
            self._print((line.removesuffix(word), "dim"), (word, COLOURS[verdict]))

    def on_interrupt(self, trainer: Trainer) -> None:
        self._print((_stopping(trainer, self.words), "yellow"))

    def on_train_end(self, trainer: Trainer) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _print(self, *parts: str | tuple[str, str]) -> None:
        """Print text, each part plain or with its style; nothing in it is taken for markup."""
        from rich.text import Text

        self.console.print(Text.assemble(*parts), soft_wrap=True)


def epoch_line(record: dict[str, Any], epochs: int, words: Mapping[str, str] = ENGLISH) -> str:
    """One epoch's record as a line of text.

    >>> epoch_line({"epoch": 3, "loss": 0.25, "accuracy": 0.9, "test_loss": 0.5, "seconds": 1.5}, epochs=10)
    'epoch  3/10   loss 0.2500  accuracy 90.00 %   test: loss 0.5000   1.5 s'
    """
    shown = {name: x for name, x in record.items() if name not in HIDDEN and isinstance(x, float)}
    own = [name for name in shown if not any(name.endswith(f"_{other}") for other in shown)]
    parts = [f"{words['epoch']} {record['epoch']:>{len(str(epochs))}}/{epochs}"]
    parts.append(figures_text({name: shown[name] for name in own}, words))
    others: dict[str, dict[str, float]] = {}
    for name, value in shown.items():
        for base in own:
            if name.endswith(f"_{base}"):
                others.setdefault(name.removesuffix(f"_{base}"), {})[base] = value
    parts += [f"{words.get(name, name)}: {figures_text(figures, words)}" for name, figures in others.items()]
    parts.append(f"{record['seconds']:.1f} s")
    return "   ".join(parts)


def figures_text(figures: Mapping[str, float], words: Mapping[str, str]) -> str:
    """Loss and metrics with their names; shares as a percentage."""
    return "  ".join(
        f"{words.get(name, name)} {f'{100 * value:.2f} %' if name in SHARES else f'{value:.4f}'}"
        for name, value in figures.items()
    )


def _health_lines(trainer: Trainer, words: Mapping[str, str]) -> list[tuple[str, str]]:
    """A line per layer, ending in the verdict's word, and the verdict."""
    latest = next((c.latest for c in trainer.callbacks if isinstance(c, GradientHealth)), [])
    names = [f"{health.layer} {health.kind}".strip() for health in latest]
    width = max(map(len, names), default=0)
    return [
        (
            f"    {name:<{width}}   {words['gradient']} {health.gradient:.2e}   {words['update']} "
            f"{health.ratio:.2e}   {words[health.verdict]}",
            health.verdict,
        )
        for name, health in zip(names, latest, strict=True)
    ]


def _stopping(trainer: Trainer, words: Mapping[str, str]) -> str:
    return words["stopping"].format(batch=trainer.state.batch, epoch=trainer.state.epoch)
