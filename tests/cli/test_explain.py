"""`pullback explain`: the terminal, the page and the JSON say the same, and what they say is right."""

import html
import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from safetensors.numpy import load_file

from pullback.cli import main
from pullback.data import load_digits

POLYNOMIAL = ["(x**2 + x*y) * y**3", "--at", "x=1", "--at", "y=2"]
PROGRAMS = [
    POLYNOMIAL,
    ["sin(x) / exp(y) - tanh(x*y)", "--at", "x=0.5", "--at", "y=-1.5"],
    ["relu(x/y)", "--at", "x=-1", "--at", "y=2"],
    ["stop_gradient(x) * y", "--at", "x=3", "--at", "y=2"],
    ["sum(softmax(w @ x) * x)", "--at", "w=[[1, -2], [0.5, 3]]", "--at", "x=[0.25, -1]"],
    ["maximum(x, y)", "--at", "x=2", "--at", "y=2", "--dtype", "float32"],
    ["x / 0 + log(y)", "--at", "x=1", "--at", "y=-1"],
]


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LC_ALL", "C.UTF-8")


def pullback(*words):
    return CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)


def explained(*words):
    result = pullback("explain", *words)
    assert result.exit_code == 0, result.output
    return result.stdout


def receipts(*words):
    return json.loads(explained(*words, "--json"))["receipts"]


def refused(*words):
    result = pullback(*words)
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    assert result.stderr.startswith("error: ") or result.stderr.startswith("错误")
    return result.stderr


# ------------------------------------------------------------------------------------------- what it says


def test_the_gradients_are_those_of_the_calculation_by_hand():
    by_x, by_y = receipts(*POLYNOMIAL)
    assert (by_x["loss"]["value"], by_x["gradient"], by_y["gradient"]) == (24, (2 * 1 + 2) * 8, 1 * 8 + 3 * 12)
    assert [row["product"] for row in by_x["rows"]] == [2 * 1 * 8, 2 * 8]
    assert [row["product"] for row in by_y["rows"]] == [3 * 12, 1 * 8]
    assert all(r["agrees"] and r["check"]["verdict"] == "agrees" for r in (by_x, by_y))


def test_the_account_is_read_as_sentences():
    shown = explained(*POLYNOMIAL, "--wrt", "x")
    for line in (
        "∂f/∂x = 32",
        "f = 24,  x = 1",
        "raise x a little and f rises 32 times as much; descent lowers x",
        "v1 = x² = 1² = 1",
        "x to the power 2  (x**2)",
        "∂v1/∂x = 2 · x = 2 · 1 = 2  sends ∂f/∂x: 8 · 2 = 16",
        "sum 32   the engine's gradient 32 ✓",
    ):
        assert line in shown
    assert "∂f/∂y = 44" not in shown and ".grad" not in shown


def test_it_speaks_chinese_when_asked_and_when_the_locale_does(monkeypatch):
    shown = explained(*POLYNOMIAL, "--lang", "zh")
    assert "x 的 2 次幂  (x**2)" in shown and "from" not in shown
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    assert explained(*POLYNOMIAL) == shown


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda words: words[0])
def test_terminal_page_and_json_state_the_same_facts(program, lang):
    shown = explained(*program, "--lang", lang)
    assert explained(*program, "--lang", lang, "--html", "page.html") in ("written: page.html\n", "已写入：page.html\n")
    page = Path("page.html").read_text(encoding="utf8")
    accounts = shown.rstrip("\n").split("\n\n∂")
    sections = re.findall(r"<section.*?</section>", page, re.DOTALL)
    data = receipts(*program, "--lang", lang)
    assert len(accounts) == len(sections) == len(data) >= 2
    for i, (account, section, receipt) in enumerate(zip(accounts, sections, data, strict=True)):
        account = bare(account if i == 0 else "∂" + account)
        assert bare(read(section)) == account  # the page has the very same words and numbers in the same order
        for said in facts(receipt):
            assert bare(said) in account, said
    assert not re.search(r"<script|https?:|src=|url\(", page)


def read(section):
    """What a person reads of a piece of a page: a formula as the line it stands for."""
    lines = re.sub(r"<math[^>]* alttext=\"([^\"]*)\".*?</math>", r"\1", section, flags=re.DOTALL)
    return html.unescape(re.sub(r"<[^>]*>", "", lines))


def bare(text):
    return re.sub(r"\s", "", text)


def facts(receipt):
    """The numbers and the sentences of a receipt's JSON, as they are to be read."""
    yield f"∂{receipt['loss']['name']}/∂{receipt['wrt']['symbol']}"
    if receipt["reason"]:
        yield receipt["reason"]["words"]
    if receipt["gradient"] is not None:
        yield f"= {number(receipt['gradient'])}"
        yield number(receipt["total"])
    for row in receipt["rows"]:
        yield f"= {number(row['product'])}"
    for step in receipt["steps"]:
        yield f"{step['output']['symbol']} = {step['formula']}"
        yield step["words"]
        yield f"∂{receipt['loss']['name']}/∂{step['output']['symbol']} = {number(step['incoming'])}"
        for local in step["locals"]:
            yield f"∂{step['output']['symbol']}/∂{local['input']['symbol']} = {local['symbolic'] or ''}"
            yield f"= {number(local['product'])}"
    yield from receipt["notes"]
    if receipt["check"]["numeric"] is not None:
        yield number(receipt["check"]["numeric"])
    for kink in receipt["check"]["kinks"]:
        yield kink["words"]


def number(x):
    """A number to six digits, as a table has it."""
    x = float(x)
    if np.isnan(x):
        return "NaN"
    if np.isinf(x):
        return "∞" if x > 0 else "−∞"
    shown = re.sub(r"e([-+])0*(\d+)", lambda m: f"e{'-' if m[1] == '-' else ''}{m[2]}", f"{x + 0.0:.6g}")
    return "−" + shown[1:] if shown.startswith("-") else shown


def test_elements_are_chosen_by_their_index():
    program = ["sum(w @ x)", "--at", "w=[[1, 2], [3, 4]]", "--at", "x=[5, 6]"]
    chosen = receipts(*program, "--wrt", "w[1, 0]", "--wrt", "w[-1,-1]", "--wrt", "x")
    assert [(r["wrt"]["symbol"], r["gradient"]) for r in chosen] == [("w[1, 0]", 5), ("w[1, 1]", 6), ("x[1]", 6)]


def test_the_precision_is_chosen_by_dtype():
    (single,) = receipts("x / 3", "--at", "x=1", "--dtype", "float32")
    assert single["wrt"]["dtype"] == "float32" and single["gradient"] == float(np.float32(1) / np.float32(3))


# ------------------------------------------------------------------------------------------ a trained run


@pytest.fixture
def run():
    result = pullback("train", "digits", "--layers", "6", "--epochs", "1", "--dtype", "float64", "--out", "run")
    assert result.exit_code == 0, result.output
    return "run"


def test_the_gradients_of_a_run_are_those_of_its_loss(run):
    wanted = ["0.weight[2, 20]", "0.bias[3]", "3.weight[4, 1]", "x[1, 10]"]
    found = receipts(run, "--items", "5", *(word for name in wanted for word in ("--wrt", name)))
    arrays = load_file("run/weights.safetensors")
    arrays = {name: array for name, array in arrays.items() if array.ndim}
    images, labels = load_digits("train", normalise=False, dtype="float64")
    arrays["x"], labels = images[:5] / 16, labels[:5]
    assert found[0]["loss"]["value"] == pytest.approx(loss(arrays, labels), rel=1e-12)
    for receipt, name in zip(found, wanted, strict=True):
        leaf, index = name.split("[")
        at = tuple(map(int, index.rstrip("]").split(",")))
        rate = difference(arrays, leaf, at, labels)
        assert receipt["wrt"]["symbol"] == name
        assert receipt["gradient"] == pytest.approx(rate, rel=1e-6, abs=1e-9)


def loss(arrays, labels):
    """The network of the run, in NumPy."""
    hidden = np.maximum(arrays["x"] @ arrays["0.weight"].T + arrays["0.bias"], 0)
    z = hidden @ arrays["3.weight"].T + arrays["3.bias"]
    return float(np.mean(np.log(np.exp(z).sum(1)) - z[np.arange(len(labels)), labels]))


def difference(arrays, leaf, at, labels, h=1e-6):
    moved = []
    for step in (h, -h):
        changed = {**arrays, leaf: arrays[leaf].copy()}
        changed[leaf][at] += step
        moved.append(loss(changed, labels))
    return (moved[0] - moved[1]) / (2 * h)


def test_a_run_on_a_csv_file_is_explained_with_its_file():
    rng = np.random.default_rng(0)
    rows = [f"{a:.3f},{b:.3f},{2 * a - b:.3f}" for a, b in rng.normal(size=(40, 2))]
    Path("data.csv").write_text("a,b,c\n" + "\n".join(rows))
    assert pullback("train", "csv:data.csv", "--target", "c", "--epochs", "1", "--out", "run").exit_code == 0
    (receipt,) = receipts("run", "--wrt", "3.bias")
    assert receipt["loss"]["name"] == "loss" and receipt["check"]["verdict"] == "agrees"
    Path("data.csv").unlink()
    assert "data.csv" in refused("explain", "run")


def test_a_run_that_does_not_name_its_data_is_refused(run):
    config = json.loads(Path("run/config.json").read_text())
    config["data"]["kind"] = "url"
    Path("run/config.json").write_text(json.dumps(config))
    assert "does not say which data the run was trained on" in refused("explain", "run")
    Path("run/config.json").write_text("{")
    assert "not readable as JSON" in refused("explain", "run")


# --------------------------------------------------------------------------------------------- what it refuses


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["x.real", "--at", "x=1"], "an attribute (a.b) is not allowed"),
        (["x + y", "--at", "x=1"], "y has no value; give it one with --at y=…\n  x + y\n      ^"),
        (["x", "--at", "x=1", "--at", "x=2"], "more than one value"),
        (["x", "--at", "x=1", "--at", "z=2"], "the expression does not name z; it names x"),
        (["x", "--at", "x"], "expected NAME=VALUE"),
        (["x", "--at", "2=1"], "expected NAME=VALUE"),
        (["x", "--at", "x=one"], "expected a number, or lists of numbers"),
        (["x", "--at", "x=[[1], [1, 2]]"], "expected a number, or lists of numbers"),
        (["x", "--at", 'x=["a"]'], "expected a number, or lists of numbers"),
        (["x", "--at", "x=" + "[" * 5000], "expected a number, or lists of numbers"),
        (["x", "--at", "x=nan"], "numbers that are finite in float64"),
        (["x", "--at", "x=[1, NaN]"], "expected a number, or lists of numbers"),
        (["x", "--at", "x=1e39", "--dtype", "float32"], "numbers that are finite in float32"),
        (["sum(x)", "--at", "x=" + json.dumps([0] * 1001)], "1001 elements, more than 1000"),
        (["x", "--at", "x=" + "1" * 30000], "expected NAME=VALUE"),
        (["sin(x)", "--at", "x=1", "--at", "sin=1"], "sin is the name of a function"),
        (["x", "--at", "x=[1, 2]"], "the value has the shape [2]; explain one number, such as sum(x)"),
        (["x", "--at", "x=1", "--wrt", "y"], "there is no such input; there are x"),
        (["sum(x)", "--at", "x=[1, 2]", "--wrt", "x[2]"], "no such element in the shape [2]"),
        (["sum(x)", "--at", "x=[1, 2]", "--wrt", "x[0, 0]"], "no such element in the shape [2]"),
        (["sum(x)", "--at", "x=[1, 2]", "--wrt", "x[1-]"], "no such element in the shape [2]"),
        (["x", "--at", "x=1", "--items", "3"], "--items is for the folder of a run"),
        (["runs/nothing"], "there is no folder runs/nothing"),
        (["."], "config.json"),
        ([".", "--at", "x=1"], "--at is for expressions"),
        (["x", "--at", "x=1", "--html", "no/such/folder.html"], "folder.html"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)
def test_bad_input_is_named_in_a_line_and_nothing_is_printed(words, what):
    assert what in refused("explain", *words)


def test_bad_input_is_named_in_chinese():
    assert "表达式中没有 z" in refused("explain", "x", "--at", "x=1", "--at", "z=2", "--lang", "zh")
