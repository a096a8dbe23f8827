"""`pullback graph`: printed, written and served; an edit on the served page is computed by the engine."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner

from pullback.cli import main
from pullback.cli.program import read_program
from pullback.cli.served import Served

POLYNOMIAL = ["(x**2 + x*y) * y**3", "--at", "x=1", "--at", "y=2"]


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LC_ALL", "C.UTF-8")


def pullback(*words):
    return CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)


def drawn(*words):
    result = pullback("graph", *words)
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(*words):
    result = pullback("graph", *words)
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    return result.stderr


def numbers(drawing):
    """Value and gradient of each box of a drawing's data, by its symbol."""
    return {box["symbol"]: (box["value"], box["gradient"]) for box in drawing["boxes"]}


BY_HAND = {"x": (1, 32), "y": (2, 44), "v1": (1, 8), "v2": (2, 8), "v3": (3, 8), "v4": (8, 3), "f": (24, 1)}


# ------------------------------------------------------------------------------------- printed and written


def test_a_flowchart_is_printed_with_values_and_gradients():
    shown = drawn(*POLYNOMIAL)
    assert shown.startswith("flowchart ")
    assert drawn(*POLYNOMIAL, "--mermaid") == shown
    for symbol, (value, gradient) in BY_HAND.items():
        assert re.search(rf'"{symbol}\b[^"]*<br/>= {value}<br/>∂ {gradient}"', shown)


def test_the_data_hold_the_numbers_of_the_calculation_by_hand():
    data = json.loads(drawn(*POLYNOMIAL, "--json"))
    assert numbers(data) == BY_HAND
    assert {(origin["text"]) for origin in data["origins"]} == {"x**2", "x*y", "x**2 + x*y", "y**3", POLYNOMIAL[0]}


def test_graphviz_svg_and_a_page_are_written():
    assert drawn(*POLYNOMIAL, "--dot").startswith('digraph "f" {')
    pytest.importorskip("quickjs", reason="the layout library runs in quickjs, of the extra graph")
    assert drawn(*POLYNOMIAL, "--svg", "f.svg", "--html", "f.html") == "written: f.svg\nwritten: f.html\n"
    assert Path("f.svg").read_text(encoding="utf8").startswith("<svg")
    page = Path("f.html").read_text(encoding="utf8")
    assert "connect-src 'none'" in page.replace("&#x27;", "'")


def test_the_page_and_the_drawing_are_in_the_language_asked_for():
    assert json.loads(drawn(*POLYNOMIAL, "--json", "--lang", "zh"))["lang"] == "zh"
    assert drawn(*POLYNOMIAL, "--html", "f.html", "--lang", "zh") == "已写入：f.html\n"
    assert '<html lang="zh"' in Path("f.html").read_text(encoding="utf8")


def test_a_run_is_drawn_by_its_modules():
    assert pullback("train", "digits", "--layers", "5", "--epochs", "1", "--out", "run").exit_code == 0
    shown = drawn("run", "--items", "2")
    for part in ("0.weight", "3.bias", "x<br/>= 2×64", "labels", "CrossEntropyLoss", "loss = "):
        assert part in shown


# ------------------------------------------------------------------------------------------------- served


def test_an_edit_gives_what_the_engine_gives_for_the_new_numbers():
    served = Served(read_program(POLYNOMIAL[0], ["x=1", "y=2"], dtype=None, items=None, lang="en"))
    assert '"serve":"edit"' in served.page()
    data = served.edit("x", (), 3.0)
    fresh = json.loads(drawn(POLYNOMIAL[0], "--at", "x=3", "--at", "y=2", "--json"))
    assert numbers(data) == numbers(fresh)
    assert numbers(data)["x"] == (3, (2 * 3 + 2) * 8)
    assert numbers(served.drawing.to_dict()) == numbers(data)
    served.edit("y", (), -1.0)
    assert numbers(served.edit("x", (), 1.0))["f"] == (0, 1)


def test_an_element_of_a_run_is_edited_and_everything_follows():
    assert pullback("train", "digits", "--layers", "5", "--epochs", "1", "--out", "run").exit_code == 0
    program = read_program("run", [], dtype=None, items=3, lang="en")
    served = Served(program)
    before = numbers(served.drawing.to_dict())["loss"][0]
    after = numbers(served.edit("3.bias", (2,), 5.0))["loss"][0]
    assert after != before
    assert program.leaves["3.bias"].numpy()[2] == 5.0
    assert float(program.compute()) == pytest.approx(after, rel=1e-5)


def test_a_leaf_is_what_it_was_after_an_edit_that_fails():
    served = Served(read_program("x @ y", ["x=[1, 2]", "y=[3, 4]"], dtype=None, items=None, lang="en"))
    before = numbers(served.drawing.to_dict())
    for name, index, error in (
        ("z", (), KeyError),
        ("x", (2,), IndexError),
        ("x", (), IndexError),
        ("x", (-3,), IndexError),
    ):
        with pytest.raises(error):
            served.edit(name, index, 5.0)
        assert numbers(served.drawing.to_dict()) == before
    assert numbers(served.edit("x", (1,), 5.0))["f"] == (23, 1)


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C reaches a process of Windows through its console only")
def test_the_served_page_answers_until_ctrl_c():
    # A shell starts what it runs in the background with Ctrl-C ignored, and children inherit that.
    listen = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    program = listen + "from pullback.cli import main; main()"
    command = [sys.executable, "-c", program, "graph", *POLYNOMIAL, "--serve"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
    ) as process:
        out, err = talk_to(process)
    assert (out, err, process.returncode) == ("stopped\n", "", 0)


def talk_to(process):
    try:
        opened, told = process.stdout.readline(), process.stdout.readline()
        assert told == "the page recomputes with this engine until Ctrl-C\n"
        assert re.fullmatch(r"open http://127\.0\.0\.1:\d+/[\w-]+/\n", opened)
        url = urlsplit(opened.split()[1])
        assert ask(url, "GET", url.path)[0] == 200
        edit = {"name": "x", "index": [], "value": 3}
        status, body = ask(url, "POST", url.path + "edit", json.dumps(edit))
        assert status == 200 and numbers(json.loads(body))["x"] == (3, 64)
        assert ask(url, "POST", "/edit", json.dumps(edit))[0] == 403
        process.send_signal(signal.SIGINT)
        return process.communicate(timeout=20)
    finally:
        process.kill()


def ask(url, method, path, body=None):
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=10)
    headers = {} if body is None else {"Content-Type": "application/json", "Origin": f"http://{url.netloc}"}
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    result = answer.status, answer.read().decode()
    connection.close()
    return result


# ---------------------------------------------------------------------------------------------- refused


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["x.y", "--at", "x=1"], "an attribute (a.b) is not allowed"),
        (["x * 2", "--at", "x=1", "--dot", "--json"], "one of --mermaid, --dot and --json"),
        (["x * 2", "--at", "x=1", "--port", "8000"], "--port is for --serve"),
        (["x * 2", "--at", "x=1", "--serve", "--port", "70000"], "--port"),
        (["stop_gradient(x)", "--at", "x=1"], "no gradient goes back through stop_gradient(x)"),
        (["x * 2", "--at", "x=1", "--html", "no/such/folder.html"], "folder.html"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)
def test_bad_input_is_named_in_a_line(words, what):
    assert what in refused(*words)


def test_a_taken_port_is_named():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"port {port} is taken" in refused(*POLYNOMIAL, "--serve", "--port", port)


def test_an_expression_longer_than_any_name_of_a_folder_is_drawn():
    long = "+".join(["sin(x*0.12345678901)"] * 20)
    assert len(long) > 255
    data = json.loads(drawn(long, "--at", "x=1", "--json"))
    assert sum(box["kind"] == "mapping" for box in data["boxes"]) == 20 * 3 - 1
