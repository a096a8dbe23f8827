"""`pullback train`: from data to a run folder."""

from __future__ import annotations

import math
import shutil
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from .. import nn, optim, random
from ..core.errors import PullbackError
from ..data import ArrayDataset, DataLoader
from ..saving import save
from ..threads import set_num_threads
from ..train import Callback, Checkpoint, GradientHealth, JSONLines, NonFiniteError, Trainer
from ..train.health import EXPLODING_NORM, EXPLODING_RATIO, VANISHING_SHARE
from ..train.network import ACTIVATIONS, DTYPES, build_network
from ..train.progress import Bar, Lines
from ..train.runs import CONFIG, FORMAT, METRICS, VERSIONS, WEIGHTS, make_run_folder, versions, write_json
from .continuing import (
    CHECKPOINTS,
    continued,
    fingerprint,
    given_epochs,
    keep_last,
    refuse_other_options,
    remove_checkpoints,
    save_weights,
)
from .options import BadInput, Command, Number, OneOf, Whole, Widths, language, language_option, option
from .refused import reason
from .sources import Source, read_source
from .words import words_of

__all__ = ["train"]

Options = dict[str, Any]
Words = Mapping[str, str]

# The defaults, here and below, were chosen on a fifth of the digits' training images, held out three times
# with two seeds each (mean accuracy 97.5 %); the test images had no part in it.
LEARNING_RATES = {"sgd": 0.1, "adam": 3e-3, "adamw": 3e-3, "adagrad": 3e-2, "rmsprop": 1e-3}
MOMENTUM = {"sgd": 0.9, "rmsprop": 0.0}
WEIGHT_DECAY = {"adamw": 1e-2}
SHARE = Number(0, 1, max_open=True)
PICTURE = "loss.png"
SECONDS_BETWEEN_CHECKPOINTS = 5.0
EXIT_FAILED, EXIT_INTERRUPTED = 1, 130


@click.command(cls=Command, help="help.train")
@click.argument("data", metavar="DATA", required=False)
@option("--target", metavar="COLUMN")
@option("--task", type=OneOf(["classification", "regression"]))
@option("--layers", type=Widths(), default="256", show_default=True)
@option("--activation", type=OneOf(list(ACTIVATIONS)), default="relu", show_default=True)
@option("--optimizer", type=OneOf(list(LEARNING_RATES)), default="adam", show_default=True)
@option("--lr", metavar="NUMBER", type=Number(min=0, min_open=True))
@option("--momentum", metavar="NUMBER", type=SHARE)
@option("--weight-decay", metavar="NUMBER", type=Number(min=0))
@option("--batch-size", metavar="N", type=Whole(min=1), default=64, show_default=True)
@option("--epochs", metavar="N", type=Whole(min=1), default=30, show_default=True)
@option("--seed", metavar="N", type=Whole(min=0), default=0, show_default=True)
@option("--dropout", metavar="NUMBER", type=SHARE, default=0.2, show_default=True)
@option("--dtype", type=OneOf(DTYPES), default="float32", show_default=True)
@option("--threads", metavar="N", type=Whole(min=1), default=1, show_default=True)
@option("--out", metavar="FOLDER", type=click.Path(path_type=Path))
@option("--resume", metavar="RUN", type=click.Path(path_type=Path))
@option("--quiet", is_flag=True)
@option("--debug", is_flag=True)
@language_option
def train(data: str | None, resume: Path | None, quiet: bool, debug: bool, lang: str, **options: Any) -> int:
    """Train a network and leave a run folder."""
    words = words_of(language())
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    if resume is not None:
        refuse_other_options(words)
    elif data is None:
        raise click.MissingParameter(param=click.get_current_context().command.params[0])
    standing = None
    request = {"data": data, "target": options["target"], "task": options["task"]}
    try:
        if resume is not None:
            source, options, network, standing = continued(resume, words, given_epochs())
        else:
            source = _read(request, words, options)
            options = _complete(options, words)
            network = _describe_network(source, options)
        random.manual_seed(options["seed"])
        set_num_threads(options["threads"])
        model = build_network(network)
        optimizer = _build_optimizer(model, options)
        folder = resume if resume is not None else make_run_folder(options.pop("out"), source.name)
    except (ValueError, TypeError, OSError, PullbackError) as error:
        if debug:
            traceback.print_exc()
        raise BadInput(reason(error, words)) from None
    try:
        if resume is None:
            (folder / CHECKPOINTS).mkdir()
            request["sha256"] = fingerprint(source)
            config = {"data": source.describe(), "network": network, "training": options, "request": request}
            write_json(folder / CONFIG, {"format": FORMAT, **config})
            write_json(folder / VERSIONS, versions())
        if not quiet:
            _show_plan(console, words, source, network, options, folder, model)
            if standing is not None:
                console.print(standing.line(options["epochs"], words), style="bold")
        trainer = _build_trainer(model, source, optimizer, folder, None if quiet else console, words)
        return _run(trainer, source, options, folder, console, words, debug)
    except KeyboardInterrupt:  # the second Ctrl-C
        _say_how_to_go_on(folder, words)
        raise
    except BrokenPipeError:
        raise
    except OSError as error:  # a full disk, a folder that is gone
        if debug:
            traceback.print_exc()
        click.echo(f"{words['error']}: {reason(error, words)}", err=True)
        if resume is None and not (folder / CONFIG).exists():
            shutil.rmtree(folder, ignore_errors=True)  # nothing began
        _say_how_to_go_on(folder, words)
        return EXIT_FAILED


def _say_how_to_go_on(folder: Path, words: Words) -> None:
    if list((folder / CHECKPOINTS).glob("step-*")):
        click.echo(words["kept.resume"].format(folder=folder), err=True)


# ------------------------------------------------------------------------------------------- the parts


def _read(request: dict[str, Any], words: Words, options: Options) -> Source:
    return read_source(
        request["data"],
        words,
        target=options.pop("target"),
        task=options.pop("task"),
        dtype=options["dtype"],
        seed=options["seed"],
    )


def _complete(options: Options, words: Words) -> Options:
    """The options with what the defaults depend on filled in."""
    name = options["optimizer"]
    if options["momentum"] is not None and name not in MOMENTUM:
        raise ValueError(words["error.momentum"].format(optimizer=name))
    defaults = {
        "lr": LEARNING_RATES[name],
        "momentum": MOMENTUM.get(name, 0.0),
        "weight_decay": WEIGHT_DECAY.get(name, 0.0),
    }
    return options | {option: default for option, default in defaults.items() if options[option] is None}


def _describe_network(source: Source, options: Options) -> dict[str, Any]:
    return {
        "inputs": source.width,
        "hidden": options.pop("layers"),
        "outputs": source.outputs,
        "activation": options.pop("activation"),
        "dropout": options.pop("dropout"),
        "dtype": options.pop("dtype"),
    }


def _build_optimizer(model: nn.Module, options: Options) -> Any:
    kinds = {
        "sgd": optim.SGD,
        "adam": optim.Adam,
        "adamw": optim.AdamW,
        "adagrad": optim.Adagrad,
        "rmsprop": optim.RMSprop,
    }
    settings = {"lr": options["lr"], "weight_decay": options["weight_decay"]}
    if options["optimizer"] in MOMENTUM:
        settings["momentum"] = options["momentum"]
    return kinds[options["optimizer"]](model.parameters(), **settings)


def _build_trainer(
    model: nn.Module, source: Source, optimizer: Any, folder: Path, console: Console | None, words: Words
) -> Trainer:
    callbacks: list[Callback] = [GradientHealth(), JSONLines(folder / METRICS)]
    if console is not None:
        callbacks.append(Bar(words, console) if console.is_terminal else Lines(words))
    kept = folder / CHECKPOINTS
    callbacks.append(Checkpoint(kept, every_epochs=None, every_seconds=SECONDS_BETWEEN_CHECKPOINTS, at_end=True))
    classes = source.classes is not None
    loss = nn.CrossEntropyLoss() if classes else nn.MSELoss()
    metrics = ("accuracy",) if classes else ("r2",)
    return Trainer(model, loss, optimizer, metrics=metrics, callbacks=callbacks, progress=None)


def _run(
    trainer: Trainer, source: Source, options: Options, folder: Path, console: Console, words: Words, debug: bool
) -> int:
    """Train, save, measure and draw; return the exit code."""
    loader = DataLoader(ArrayDataset(*source.train), options["batch_size"], shuffle=True, seed=options["seed"])
    start = time.perf_counter()
    try:
        history = trainer.fit(
            loader, options["epochs"], validation={"test": source.test}, resume=folder / CHECKPOINTS
        )
    except NonFiniteError as error:
        save(folder / WEIGHTS, trainer.model)
        remove_checkpoints(folder)  # going on from them would lead here again
        if debug:
            traceback.print_exc()
        click.echo(f"{words['error']}: {error}", err=True)
        click.echo(words["error.kept"].format(folder=folder), err=True)
        return EXIT_FAILED
    seconds = time.perf_counter() - start
    save_weights(folder, trainer.model, history)
    figures = trainer.evaluate(source.test)
    if history.interrupted:
        complete = sum(1 for record in history if record.get("complete", True))
        console.print(words["kept"].format(epochs=complete, wanted=options["epochs"]), style="yellow")
        console.print(words["kept.resume"].format(folder=folder), style="yellow")
    else:
        keep_last(folder)
    result = _result(source, figures, seconds, words)
    console.print(result, style="bold")
    _draw(trainer, source, folder, console, words)
    files = "  ".join(sorted(path.name for path in folder.iterdir()))
    console.print(words["saved"].format(folder=folder, files=files))
    return EXIT_INTERRUPTED if history.interrupted else 0


# ------------------------------------------------------------------------------------- what is shown


def _show_plan(
    console: Console,
    words: Words,
    source: Source,
    network: dict[str, Any],
    options: Options,
    folder: Path,
    model: nn.Module,
) -> None:
    kind = source.kind if source.kind != "csv" else "values" if source.classes is None else "classes"
    data = words[f"data.{kind}"].format(
        source=source.source,
        train=len(source.train[0]),
        test=len(source.test[0]),
        inputs=source.width,
        classes=source.outputs,
    )
    summary = words["network.summary"].format(
        widths=" → ".join(map(str, [network["inputs"], *network["hidden"], network["outputs"]])),
        activation=network["activation"] + (f", dropout {network['dropout']:g}" if network["dropout"] else ""),
        parameters=sum(p.size for p in model.parameters()),
    )
    layers = [
        f"{name:>2} Linear  {f'{layer.in_features} → {layer.out_features}':<13}"
        f"{sum(p.size for p in layer.parameters()):>10,}"
        for name, layer in model.named_modules()
        if isinstance(layer, nn.Linear)
    ]
    plan = {
        "data": [data],
        "network": [summary, *layers],
        "training": [words["training.summary"].format(**options, dtype=network["dtype"])],
        "folder": [str(folder)],
    }
    width = max(cell_len(words[part]) for part in plan) + 2
    for part, (first, *others) in plan.items():
        head = words[part] + " " * (width - cell_len(words[part]))
        console.print(Text.assemble((head, "bold"), first))
        for line in others:
            console.print(" " * width + line, style="dim")
    note = words["health.note"].format(norm=EXPLODING_NORM, ratio=EXPLODING_RATIO, share=VANISHING_SHARE)
    console.print(note, style="dim")
    console.print()


def _result(source: Source, figures: dict[str, float], seconds: float, words: Words) -> str:
    if source.target is None:
        count = len(source.test[1])
        right = round(figures["accuracy"] * count)
        return words["result.accuracy"].format(**figures, right=right, count=count, seconds=seconds)
    mse = figures["loss"] * float(source.target["std"]) ** 2
    return words["result.r2"].format(r2=figures["r2"], mse=mse, seconds=seconds)


def _draw(trainer: Trainer, source: Source, folder: Path, console: Console, words: Words) -> None:
    if not any(math.isfinite(record["loss"]) for record in trainer.history):
        return
    layers = [m for m in trainer.model.modules() if isinstance(m, nn.Linear)]
    widths = "–".join(map(str, [source.width, *(layer.out_features for layer in layers)]))
    try:
        trainer.history.plot(folder / PICTURE, title=f"{source.name}: {widths}")
    except ImportError:
        console.print(words["no_picture"], style="yellow")
    except OSError as error:
        console.print(words["no_picture.file"].format(reason=reason(error, words)), style="yellow")
