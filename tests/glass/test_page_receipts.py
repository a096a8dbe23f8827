"""Full receipts in the page: carried along offline, with a reason where none is; asked of the engine where one is."""

import threading

import numpy as np
import pytest

import pullback as pb
from pullback import nn
from pullback.cli.program import read_program
from pullback.cli.served import Served
from pullback.core.errors import GradientError
from pullback.glass.carried import MOST_STEPS, WIDTH
from pullback.glass.labels import DETAILED
from pullback.glass.serve import Server

try:
    from playwright.sync_api import expect
except ImportError:
    pytest.skip("no playwright: the page is not driven", allow_module_level=True)


def box(page, symbol):
    return page.locator(f'.box[aria-label^="{symbol} "], .box[aria-label^="{symbol},"]')


def panel(page):
    return page.locator("#panel")


def full(page):
    return panel(page).locator("details.full")


def chain(n):
    """A loss of n mappings over 21 leaves, none of them like its neighbours."""
    rng = np.random.default_rng(0)
    x = pb.tensor(np.float64(0.5), requires_grad=True)
    ws = [pb.tensor(rng.normal(), requires_grad=True) for _ in range(20)]
    loss = x
    for i in range(n - 1):
        loss = (loss * ws[i % 20], loss + ws[i % 20], pb.tanh(loss), pb.sin(loss))[rng.integers(4)]
    return loss * x, x


# ---------------------------------------------------------------------------------------------- offline


def test_a_small_page_carries_the_receipt_of_every_gradient_in_it():
    rng = np.random.default_rng(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()
    loss = nn.CrossEntropyLoss()(net(pb.tensor(rng.normal(size=(5, 3)))), pb.tensor([0, 1, 1, 0, 1]))
    drawing = pb.graph(loss, lang="en")
    data = drawing.to_dict()
    with_gradient = [n for n, b in enumerate(data["boxes"]) if b["kind"] != "constant" and b["dtype"] == "float64"]
    assert sorted(data["receipts"]) == with_gradient
    weight = next(n for n, b in enumerate(data["boxes"]) if b["symbol"] == "0.weight")
    assert len(data["receipts"][weight]) == 12  # every element
    for number, texts in data["receipts"].items():
        for name, text in texts.items():
            assert text.startswith(f"∂loss/∂{name} = ")
            assert text == drawing.receipt(number, index_of(name)).text("en", width=WIDTH)


def index_of(name):
    inside = name.rpartition("[")[2].rstrip("]") if "[" in name else ""
    return tuple(map(int, inside.split(", "))) if inside else ()


def test_what_a_page_carries_is_bounded_and_leaves_come_first():
    data = pb.graph(chain(120)[0], lang="en").to_dict()
    count = sum(map(len, data["receipts"].values()))
    leaves = {n for n, b in enumerate(data["boxes"]) if b["kind"] == "leaf"}
    assert set(list(data["receipts"])[: len(leaves)]) == leaves
    steps = sum(text.count("arrives: ") for of in data["receipts"].values() for text in of.values())
    assert len(leaves) < count < len(data["boxes"]) and steps < MOST_STEPS + 400


def test_where_none_is_carried_the_page_says_why_and_how_to_get_it(opened):
    loss, _ = chain(120)
    drawing = pb.graph(loss, lang="en")
    data = drawing.to_dict()
    last = max(n for n, b in enumerate(data["boxes"]) if n not in data["receipts"] and b["kind"] == "mapping")
    page = opened(drawing)
    page.click("#unfold-all")
    page.locator(f"#pb-b{last}").press("Enter")
    count = sum(map(len, data["receipts"].values()))
    full(page).locator("summary").click()
    expect(full(page)).to_contain_text(f"carries {count} of the whole way back and, to stay small, not this one")
    expect(full(page)).to_contain_text("pb.explain(loss, …)")
    expect(full(page)).to_contain_text("--serve")
    assert panel(page).locator("details.as-text pre").text_content()


def test_a_large_drawing_says_why_it_carries_none(opened):
    loss, x = chain(DETAILED + 100)
    page = opened(pb.graph(loss, names={"x": x}, lang="en"))
    page.locator(".box.group", has_text="21 inputs").press("Enter")  # of many chunks the leaves are one box
    box(page, "x").first.press("Enter")
    expect(full(page)).to_contain_text(f"The graph has {DETAILED + 100} mappings")
    assert full(page).locator("pre").is_hidden()
    assert "∂loss/∂x" in panel(page).locator("details.as-text pre").text_content()


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"gradient": [1.0, 2.0]}, "started from a gradient that was given"),
        ({"direction": "forward"}, "without gradients"),
    ],
)
def test_a_drawing_without_gradients_of_one_number_says_so(opened, settings, why):
    x = pb.tensor(np.array([1.0, 2.0]), requires_grad=True)
    drawing = pb.graph(x * x, names={"x": x}, lang="en", **settings)
    page = opened(drawing)
    box(page, "x").click()
    expect(full(page)).to_contain_text(why)
    with pytest.raises(GradientError, match="nothing to explain"):
        drawing.receipt(0)


# ----------------------------------------------------------------------------------------------- served


@pytest.fixture
def serve():
    """Serve a program as the command does, and return its address and the subject."""
    started = []

    def start(what, at=(), items=None):
        subject = what
        if isinstance(what, str):
            subject = Served(read_program(what, at, dtype=None, items=items, lang="en"))
        server = Server(subject, lang="en")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        started.append((server, thread))
        return server.address, subject

    yield start
    for server, thread in started:
        server.shutdown()
        thread.join()
        server.server_close()


WIDE = ("sum((w @ x - t)**2)", [f"w={np.arange(600.0).reshape(20, 30).tolist()}", f"x={[0.1] * 30}", f"t={[1.0] * 20}"])


def test_a_served_page_fetches_any_receipt(opened, serve):
    address, subject = serve(*WIDE)
    page = opened(address)
    assert "receipts" not in subject.drawing.to_dict(receipts=False)
    box(page, "w").click()  # a leaf's receipt is open at once: the element of the largest gradient
    largest = np.unravel_index(np.argmax(np.abs(subject.program.leaves["w"].grad.numpy())), (20, 30))
    expect(full(page).locator("pre")).to_contain_text(f"∂f/∂w[{largest[0]}, {largest[1]}] = ")
    assert page.evaluate("(p => p.scrollWidth <= p.clientWidth)(document.getElementById('panel'))")
    field = full(page).get_by_role("textbox")
    field.fill("[3, 20]")
    field.press("Enter")
    expect(full(page).locator("pre")).to_contain_text("∂f/∂w[3, 20] = ")
    assert full(page).locator("pre").text_content() == subject.receipt(box_number(subject, "w"), 0, (3, 20))["text"]
    plate = panel(page).locator(".plate[data-role=gradient]")
    size = plate.bounding_box()
    plate.click(position={"x": size["width"] * 1.5 / 30, "y": size["height"] * 1.5 / 20})
    expect(full(page).locator("pre")).to_contain_text("∂f/∂w[1, 1] = ")
    field.fill("20, 0")
    field.press("Enter")
    assert "no element of an array of 20×30" in field.evaluate("e => e.validationMessage")


def test_an_element_that_is_chosen_in_a_picture_can_be_set_and_the_picture_changes(opened, serve):
    address, subject = serve(*WIDE)
    page = opened(address)
    box(page, "w").click()
    plate = panel(page).locator(".plate[data-role=out]")
    plate.focus()
    for key in ["ArrowDown", "ArrowDown", "ArrowRight", "Enter"]:
        page.keyboard.press(key)
    field, value = (panel(page).locator("form.element").first.locator("input").nth(i) for i in (0, 1))
    expect(field).to_have_value("[2, 1]")
    value.fill("-600")
    value.press("Enter")
    expect(page.locator("#status")).to_contain_text("w[2, 1] is now −600")
    assert subject.program.leaves["w"].numpy()[2, 1] == -600
    plate = panel(page).locator(".plate[data-role=out]")
    expect(plate.locator("canvas").first).to_have_attribute("data-drawn", "yes")
    plate.focus()
    for key in ["ArrowDown", "ArrowDown", "ArrowRight"]:
        page.keyboard.press(key)
    expect(panel(page).locator(".note")).to_contain_text("w[2, 1] ≈ −600")


def box_number(subject, symbol):
    return next(b.number for b in subject.drawing.diagram.boxes if b.symbol == symbol)


def test_a_result_in_the_middle_has_its_receipt_when_it_is_opened(opened, serve):
    address, _ = serve("(x**2 + x*y) * y**3", ["x=1", "y=2"])
    page = opened(address)
    page.locator(".box.mapping").first.click()
    asked = len(opened.requests)
    full(page).locator("summary").click()
    expect(full(page).locator("pre")).to_contain_text("the engine's gradient")
    assert len(opened.requests) == asked + 1


class Large:
    """A program of more mappings than an offline page carries receipts for."""

    def __init__(self):
        loss, x = chain(DETAILED + 100)
        self.drawing = pb.graph(loss, names={"x": x}, lang="en")

    def page(self):
        return self.drawing.to_html("edit")

    def receipt(self, box, part, index):
        found = self.drawing.receipt(box, index, part=part)
        return {"symbol": found.wrt.symbol, "text": found.text("en")}


def test_a_large_program_that_is_served_has_receipts_too(opened, serve):
    address, _ = serve(Large())
    page = opened(address)
    page.locator(".box.group", has_text="21 inputs").press("Enter")  # of many chunks the leaves are one box
    box(page, "x").first.press("Enter")
    expect(panel(page).locator(".sum")).to_contain_text("the engine's gradient to the last bit ✓")  # nobody was asked
    assert not any(url.endswith("/receipt") for url in opened.requests)
    full(page).locator("summary").click()  # it takes its time, so only now
    expect(full(page).locator("pre")).to_contain_text("∂loss/∂x = ")
    expect(full(page).locator("pre")).to_contain_text("✓")


def test_inputs_weights_and_labels_of_a_run_can_be_set_and_results_say_why_not(opened, serve, tmp_path, monkeypatch):
    from click.testing import CliRunner

    from pullback.cli import main

    monkeypatch.chdir(tmp_path)
    made = CliRunner().invoke(main, ["train", "digits", "--layers", "5", "--epochs", "1", "--out", "run"])
    assert made.exit_code == 0
    address, subject = serve("run", items=3)
    page = opened(address)
    page.click("#unfold-all")

    def loss():
        return page.locator("h1 small").text_content()

    edits = [("0.weight", "[4, 50]", "3"), ("x", 2 * 64 + 30, "9"), ("3.bias", 1, "5"), ("labels", 1, "7")]
    for symbol, element, value in edits:
        before = loss()
        box(page, symbol).click()
        expect(panel(page)).to_contain_text("Its numbers can be set")
        if isinstance(element, int):
            panel(page).locator(f"td.editable[data-flat='{element}']").focus()
            page.keyboard.press("Enter")
            page.keyboard.type(value)
            page.keyboard.press("Enter")
        else:
            where, number = panel(page).locator("form.element input").all()[:2]
            where.fill(element)
            number.fill(value)
            number.press("Enter")
        expect(page.locator("#status")).to_contain_text(f"is now {value}: loss")
        assert loss() != before, symbol
    assert subject.program.leaves["0.weight"].numpy()[4, 50] == 3 and subject.program.leaves["x"].numpy()[2, 30] == 9
    assert subject.program.constants["labels"].numpy()[1] == 7
    page.locator(".box.mapping").first.click()
    expect(panel(page)).to_contain_text("It is computed, so it cannot be set by itself")
    assert panel(page).locator("td.editable, input.free[data-edit]").count() >= 1  # the leaves beside it
    panel(page).get_by_role("button", name="0.weight", exact=True).last.click()
    expect(panel(page)).to_contain_text("Its numbers can be set")


def test_a_label_that_is_no_whole_number_is_refused():
    from pullback.cli.program import Program
    from pullback.glass.expression import ExpressionError

    program = Program("p", "loss", {}, lambda: None, "en", {"labels": pb.tensor(np.array([0, 1]))})
    with pytest.raises(ExpressionError, match=r"labels holds whole numbers, and 0\.5 is none"):
        program.change("labels", (0,), 0.5)
    program.change("labels", (0,), 3.0)
    assert program.constants["labels"].numpy().tolist() == [3, 1]
