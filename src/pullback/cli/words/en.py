"""English."""

WORDS = {
    # the commands
    "help.main": "pullback: deep learning in which every mapping carries its pullback.",
    "help.train": (
        "Train a network on DATA and leave a run folder.\n\n"
        "DATA is `digits` (1,797 handwritten digits that come with pullback), `idx:FOLDER` (MNIST, or data in "
        "the same four files), or `csv:FILE` with --target."
    ),
    "help.explain": (
        "Say why each gradient of EXPR, or of the RUN's loss, is what it is.\n\n"
        'EXPR is an expression such as "(x**2 + x*y) * y**3", with --at x=1 --at y=2; RUN is a folder that '
        "`pullback train` left. What is printed is the account of each gradient: every factor and every sum, "
        "checked with finite differences."
    ),
    "help.graph": (
        "Draw how EXPR, or the RUN's loss, is computed, and how its gradient goes back.\n\n"
        "Without further options a Mermaid flowchart is printed. --html writes a page to explore; --serve opens it "
        "with the engine behind it: edit a number, and see everything change."
    ),
    "help.at": "A value for a name of the expression: x=1.5 or w=[[1, 2], [3, 4]]. Once per name.",
    "help.wrt": "Whose gradient: x, or an element such as w[0,2]. May be repeated; by default all.",
    "help.items": "How many training items of the run are used. By default its batch size.",
    "help.steps": "Show every step, with nothing folded.",
    "help.json": "Print JSON.",
    "help.html": "Write an HTML file that needs nothing else.",
    "help.svg": "Write an SVG picture.",
    "help.mermaid": "Print a Mermaid flowchart.",
    "help.dot": "Print a Graphviz digraph.",
    "help.serve": "Serve the page on 127.0.0.1, for this machine only, until Ctrl-C.",
    "help.port": "Port of --serve. By default a free one.",
    "help.version": "Show the version and leave.",
    "help.help": "Show this text and leave.",
    "help.target": "The column of the CSV file that is to be predicted.",
    "help.task": "What the CSV file's target is; by default text and integers are classes.",
    "help.layers": "Widths of the hidden layers, such as 128,64; 0 for none.",
    "help.activation": "What follows each hidden layer.",
    "help.optimizer": "How the weights are changed.",
    "help.lr": "Learning rate. By default 0.003 for adam and adamw, 0.1 for sgd, 0.03 for adagrad, 0.001 for rmsprop.",
    "help.momentum": "Momentum of sgd (by default 0.9) and rmsprop (0).",
    "help.weight_decay": "Weight decay. By default 0.01 for adamw and 0 for the others.",
    "help.batch_size": "Items per step.",
    "help.epochs": "Passes through the training data.",
    "help.seed": "Decides the starting weights, the order of the data, dropout, and the split of a CSV file.",
    "help.dropout": "Share of each hidden layer that is left out at random in training.",
    "help.dtype": "Precision of the arithmetic.",
    "help.threads": "Threads of the matrix products; for small networks one is the quickest.",
    "help.out": "The new folder for the results. By default runs/<data>-<time>.",
    "help.resume": "Go on with the run in this folder, with its own data and options; with --epochs N up to N epochs.",
    "help.quiet": "Show the result only.",
    "help.debug": "Show the traceback of an error.",
    "help.usage": "Usage: ",
    "help.options": "Options",
    "help.commands": "Commands",
    "help.lang": "Language of what is shown. By default the locale's.",
    # the plan
    "data": "data",
    "network": "network",
    "training": "training",
    "folder": "folder",
    "data.digits": "handwritten digits, {train:,} to train with, {test:,} to test; {inputs} pixels, {classes} classes",
    "data.idx": "{source}, {train:,} images to train with, {test:,} to test; {inputs} pixels, {classes} classes",
    "data.classes": "{source}, {train:,} rows to train with, {test:,} to test; {inputs} features, {classes} classes",
    "data.values": "{source}, {train:,} rows to train with, {test:,} to test; {inputs} features, one value to predict",
    "network.summary": "{widths}, {activation}: {parameters:,} parameters",
    "training.summary": (
        "{optimizer}, learning rate {lr:g}, batches of {batch_size}, {epochs} epochs, {dtype}, seed {seed}"
    ),
    # the progress
    "epoch": "epoch",
    "loss": "loss",
    "accuracy": "accuracy",
    "mae": "mae",
    "mse": "mse",
    "r2": "R²",
    "test": "test",
    "stopping": "Ctrl-C: stopped after step {batch} of epoch {epoch}",
    "gradient": "gradient",
    "update": "update/weight",
    "fine": "fine",
    "vanishing": "vanishing",
    "exploding": "exploding",
    "none": "no gradient",
    "health.note": (
        "update/weight is ‖Δw‖/‖w‖ of the epoch's last step; exploding: gradient over {norm:g} or update/weight "
        "over {ratio:g}; vanishing: gradient below {share:g} of the largest layer's"
    ),
    # the end
    "result.accuracy": "test accuracy {accuracy:.2%} ({right:,} of {count:,}), loss {loss:.4f}, after {seconds:.1f} s",
    "result.r2": "test R² {r2:.4f}, mean squared error {mse:.4g} (in the target's unit squared), after {seconds:.1f} s",
    "saved": "saved in {folder}: {files}",
    "kept": "interrupted after {epochs} of {wanted} epochs; what was learnt is kept",
    "goes_on": "goes on after epoch {done} of {epochs}",
    "goes_on.batch": "goes on after step {batch} of epoch {next} of {epochs}",
    "goes_on.begins": "no checkpoint was written yet: begins with epoch 1 of {epochs}",
    "kept.resume": "pullback train --resume {folder} goes on from here",
    "no_picture": 'no picture: matplotlib is not installed; pip install "pullback[plot]"',
    "no_picture.file": "no picture: {reason}",
    # the errors
    "error": "error",
    "error.hint": "see {command} --help",
    "error.no_option": "there is no option {name}",
    "error.no_command": "there is no command {name}",
    "error.missing": "{name} is missing",
    "error.perhaps": "; perhaps {names}",
    "error.layers": "expected widths such as 128,64, or 0 for no hidden layer; got {value!r}",
    "error.data": "expected digits, idx:FOLDER or csv:FILE; got {value!r}",
    "error.target": "a CSV file needs --target COLUMN, the column that is to be predicted",
    "error.target_unused": "--{option} is for csv:FILE only, the data are {value!r}",
    "error.data_again": "{place}: does not say which data the run was trained on",
    "error.momentum": "--momentum is for sgd and rmsprop; {optimizer} has none",
    "error.no_file": "{path}: there is no such file or folder",
    "error.resume_options": "--resume goes on with the data and options of the run; {option} cannot be given with it",
    "error.resume_request": "{folder}: this run does not say what it was asked for, so it cannot go on",
    "error.resume_complete": "{folder}: this run is complete after {done} epochs; with --epochs N it goes on to N",
    "error.resume_epochs": "--epochs {epochs}: the run in {folder} has made {done} epochs; expected more",
    "error.resume_nothing": "{folder}: there is no checkpoint to go on from",
    "error.resume_data": "{data}: these are no longer the data that the run in {folder} began with",
    "error.kept": "the weights of before the failing step are in {folder}",
}
