"""The programs of examples/articles run, and reach the figures that they state."""

import ast
import importlib.util
import io
import sys
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pytest

ARTICLES = Path(__file__).resolve().parents[2] / "examples" / "articles"


def article(name, change=lambda source: source):
    """The program as a module, after `change` was made to its source."""
    path = ARTICLES / f"{name}.py"
    spec = importlib.util.spec_from_loader(f"articles_{name}", loader=None, origin=str(path))
    module = importlib.util.module_from_spec(spec)
    exec(compile(change(path.read_text(encoding="utf-8")), str(path), "exec"), module.__dict__)
    return module


def test_every_program_is_listed_in_both_languages():
    programs = {path.name for path in ARTICLES.glob("*.py")}
    for readme in ("README.md", "README.zh.md"):
        text = (ARTICLES / readme).read_text(encoding="utf-8")
        assert {name for name in programs if name in text} == programs


def test_chain_rule():
    found = article("chain_rule").main()
    assert found.pop("largest error") < 1e-6
    assert len(found) == 7
    differences = found.pop("finite differences")
    assert set(found.values()) == {(32, 44)}
    assert differences == pytest.approx((32, 44), rel=1e-8)


def test_straight_line():
    figures = article("straight_line").main()
    np.testing.assert_allclose(figures["hessian"], [[22, 6], [6, 2]], rtol=1e-14)
    assert figures["bound"] == pytest.approx(2 / (12 + np.sqrt(136)), rel=1e-12)
    assert figures[1.18]["losses"][-1] > 1e6  # 0.1
    assert figures[1.01]["losses"][-1] > 10 * figures[1.01]["losses"][100]
    assert figures[0.99]["losses"][-1] < 0.1 * figures[0.99]["losses"][0]
    assert figures[0.12]["w"] == pytest.approx(2, abs=1e-6)  # 0.01
    assert figures[0.12]["b"] == pytest.approx(0, abs=1e-6)


def test_by_hand_equals_the_engine():
    figures = article("by_hand").main()
    for name in ("z", "a", "δ", "∂C/∂W", "∂C/∂b"):
        assert figures[name] < 1e-12
    assert figures["wrong"][-1] == 0 and min(figures["wrong"][:-1]) > 1e-3
    assert figures["accuracy"] == pytest.approx(0.972, abs=0.015)


def test_loss_domain():
    figures = article("loss_domain").main()
    assert "BCEWithLogitsLoss" in figures["error"]
    ways = [way for way in figures.values() if isinstance(way, dict)]
    assert [way["right"] for way in ways] == [4, 4]
    assert max(way["losses"][-1] for way in ways) < 0.001
    np.testing.assert_allclose(ways[0]["losses"], ways[1]["losses"], rtol=1e-2)  # two ways to write one thing


def test_micrograd_of_ones_own_adds_up_and_refutes():
    figures = article("micrograd_of_ones_own").main(count=25, steps=3)
    assert figures["twice"] == 7
    assert "wrong_softsign" in figures["counterexample"] and "ratio 3" in figures["counterexample"]


@pytest.mark.slow
def test_micrograd_of_ones_own_learns():
    figures = article("micrograd_of_ones_own").main()
    assert figures["training"] == pytest.approx(1.00, abs=0.02)
    assert figures["new"] == pytest.approx(0.99, abs=0.02)


def test_pytorch_style():
    figures = article("pytorch_style").main()
    assert len(figures["accuracy"]) == 10
    assert figures["test_loss"] == sorted(figures["test_loss"], reverse=True)
    assert figures["accuracy"][-1] == pytest.approx(0.799, abs=0.02)


def test_pytorch_style_with_a_greater_learning_rate():
    assert article("pytorch_style").main(lr=0.1)["accuracy"][-1] == pytest.approx(0.919, abs=0.02)


def test_pytorch_style_reads_idx_files(tmp_path):
    from pullback.data import load_digits, write_idx

    for part, split in (("train", "train"), ("t10k", "test")):
        images, labels = load_digits(split, flatten=False, normalise=False, dtype=np.uint8)
        write_idx(tmp_path / f"{part}-images-idx3-ubyte.gz", images * 15)
        write_idx(tmp_path / f"{part}-labels-idx1-ubyte.gz", labels.astype(np.uint8))
    from_files = article("pytorch_style").main(tmp_path, epochs=2)
    from_package = article("pytorch_style").main(epochs=2)
    # 15·p/255 against p/16: the same pictures, a little darker.
    np.testing.assert_allclose(from_files["test_loss"], from_package["test_loss"], rtol=0.02)


def with_torch(source):
    """The program with PyTorch's import lines, which its own docstring gives, and nothing else changed."""
    start, end = source.index("import pullback as torch"), source.index("\n\ndevice =")
    docstring = ast.get_docstring(ast.parse(source))
    theirs = [line.strip() for line in docstring.splitlines() if line.startswith("    ") and "import" in line]
    assert len(theirs) == source[start:end].count("import ") == 4
    return source[:start] + "\n".join(theirs) + source[end:]


class Batches:
    """The same batches for both libraries, in the shape of a DataLoader."""

    batch_size = 64

    def __init__(self, tensor, images, labels):
        self.dataset = labels
        self.parts = [
            (tensor(images[i : i + 64]), tensor(labels[i : i + 64])) for i in range(0, len(labels), self.batch_size)
        ]

    def __iter__(self):
        return iter(self.parts)


def test_pytorch_style_prints_the_same_lines_with_torch():
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle here; `make oracles` installs it")
    import pullback as pb
    from pullback.data import load_digits

    rng = np.random.default_rng(0)
    weights = [rng.uniform(-b, b, shape).astype("f4") for b, shape in (
        (1 / 8, (128, 64)), (1 / 8, (128,)), (0.09, (10, 128)), (0.09, (10,)),
    )]
    printed, losses = [], []
    for library, program in ((pb, article("pytorch_style")), (torch, article("pytorch_style", with_torch))):
        assert program.torch is library and issubclass(program.MLP, library.nn.Module)
        model = program.MLP(64, 128, 10)
        with library.no_grad():
            for parameter, w in zip(model.parameters(), weights, strict=True):
                parameter.data = library.tensor(w)
        loader, test_loader = (
            Batches(library.tensor, *load_digits(split, flatten=False)) for split in ("train", "test")
        )
        loss_fn = program.nn.CrossEntropyLoss()
        optimizer = program.optim.SGD(model.parameters(), lr=0.1)
        with redirect_stdout(io.StringIO()) as output:
            for _ in range(3):
                program.train(loader, model, loss_fn, optimizer)
                losses.append(program.evaluate(test_loader, model, loss_fn))
        printed.append(output.getvalue())
    np.testing.assert_allclose(losses[:3], losses[3:], rtol=1e-5)
    ours, theirs = ([line.split() for line in text.splitlines()] for text in printed)
    assert len(ours) == len(theirs) == 6
    for a, b in zip(ours, theirs, strict=True):
        assert [word for word in a if not word[0].isdigit()] == [word for word in b if not word[0].isdigit()]


def test_pytorch_style_runs_with_torch_as_a_whole():
    pytest.importorskip("torch", reason="PyTorch is the oracle here; `make oracles` installs it")
    ours, theirs = article("pytorch_style").main(epochs=3), article("pytorch_style", with_torch).main(epochs=3)
    # Other random weights and another order of the batches: alike, not the same.
    np.testing.assert_allclose(ours["test_loss"], theirs["test_loss"], rtol=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted(ARTICLES.glob("*.py")), ids=lambda path: path.stem)
def test_each_program_runs_from_the_command_line(path, tmp_path):
    import subprocess

    done = subprocess.run([sys.executable, path], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout and not done.stderr and not list(tmp_path.iterdir())
