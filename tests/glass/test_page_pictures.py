"""Larger arrays in the page, in a real browser: point at any element, and what belongs to it lights up."""

import json
import re

import numpy as np
import pytest

import pullback as pb
from pullback.glass.language import text

try:
    from playwright.sync_api import expect
except ImportError:
    pytest.skip("no playwright: the page is not driven", allow_module_level=True)


@pytest.fixture(scope="module")
def digits():
    """The network 784-128-10 at batch 64, its arrays, and a drawing in each language."""
    pb.random.manual_seed(0)
    rng = np.random.default_rng(0)
    net = pb.nn.Sequential(pb.nn.Linear(784, 128), pb.nn.ReLU(), pb.nn.Linear(128, 10))
    X = pb.tensor(rng.normal(size=(64, 784)).astype("f4"), requires_grad=True)
    loss = pb.nn.CrossEntropyLoss()(net(X), rng.integers(0, 10, 64))
    drawing = {lang: pb.graph(loss, names={"X": X}, lang=lang) for lang in ("en", "zh")}
    loss.backward()
    arrays = {"X": X.numpy(), "W": net[0].weight.numpy(), "v1": net[0](X).numpy(), "dW": net[0].weight.grad.numpy()}
    return drawing, arrays


def opened_at(opened, drawing, symbol, **settings):
    page = opened(drawing, **settings)
    page.locator(", ".join(f'.box[aria-label^="{symbol}{end}"]' for end in " ,:")).click()
    return page


def plate(page, role):
    found = page.locator(f".plate[data-role={role}]")
    found.scroll_into_view_if_needed()
    expect(found.locator("canvas").first).to_have_attribute("data-drawn", "yes")
    return found


def go_to(page, role, index):
    """Reach an element by the keyboard alone."""
    found = plate(page, role)
    found.focus()
    page.keyboard.press("Home")
    for _ in range(100):
        page.keyboard.press("Shift+ArrowUp")
    for keys, i in zip((["ArrowDown"], ["ArrowRight"]), index[-2:], strict=True):
        for _ in range(i // 10):
            page.keyboard.press("Shift+" + keys[0])
        for _ in range(i % 10):
            page.keyboard.press(keys[0])
    return found


def lit(page, role):
    """The runs [row, from, to) that are lit (the first four) and how many elements in all."""
    marks = page.locator(f".plate[data-role={role}] .marks")
    runs = marks.get_attribute("data-lit")
    return (json.loads(runs), int(marks.get_attribute("data-count"))) if runs else None


def note(page):
    return page.locator("#panel .note")


def test_an_element_lights_its_row_and_its_column_by_mouse(opened, digits):
    page = opened_at(opened, digits[0]["en"], "v1")
    found = plate(page, "out")
    size = found.bounding_box()
    found.hover(position={"x": size["width"] * 38.5 / 128, "y": size["height"] * 31.5 / 64})
    expect(note(page)).to_contain_text("is made of X[31, 0…783], 0.weight[38, 0…783], 0.bias[38]")
    assert lit(page, "in0") == ([[31, 0, 784]], 784)  # the row of X
    assert lit(page, "in1") == ([[38, 0, 784]], 784)  # the row of W, which is the column of its transpose
    assert page.locator("td[data-role=in2].lit").evaluate_all("cells => cells.map(c => c.dataset.flat)") == ["38"]
    shown = float(re.search(r"≈ (\S+)", note(page).text_content())[1].replace("−", "-"))
    v1 = digits[1]["v1"]
    assert abs(shown - v1[31, 38]) <= np.abs(v1).max() / 252 + 0.06 * abs(shown)
    page.locator("#receipt-title").hover()
    assert lit(page, "in0") is None


def test_what_is_not_lit_is_covered_and_what_is_lit_is_not(opened, digits):
    page = opened_at(opened, digits[0]["en"], "v1")
    go_to(page, "out", (31, 5))
    covered = page.locator(".plate[data-role=in0] .marks").evaluate(
        """(c) => [5, 31.5, 58].map((row) =>
             c.getContext("2d").getImageData(c.width / 2, row / 64 * c.height, 1, 1).data[3])"""
    )
    assert covered[0] > 100 and covered[1] == 0 and covered[2] > 100


def test_an_element_of_an_input_lights_what_it_goes_into(opened, digits):
    page = opened_at(opened, digits[0]["en"], "v1")
    go_to(page, "in0", (3, 20))
    expect(note(page)).to_contain_text("goes into v1[3, 0…127]")
    assert lit(page, "out") == ([[3, 0, 128]], 128)
    go_to(page, "in1", (7, 0))
    expect(note(page)).to_contain_text("goes into v1[0…63, 7]")
    assert lit(page, "out")[1] == 64


def test_on_the_way_back_the_same_elements_belong_together(opened, digits):
    page = opened_at(opened, digits[0]["en"], "v1")
    go_to(page, "gradient", (10, 100))
    assert lit(page, "product0") == ([[10, 0, 784]], 784) and lit(page, "product1") == ([[100, 0, 784]], 784)
    where = "∂loss/∂X[10, 0…783], ∂loss/∂0.weight[100, 0…783], ∂loss/∂0.bias[100]"
    expect(note(page)).to_contain_text(f"is sent back to {where}")
    go_to(page, "product1", (100, 2))
    expect(note(page)).to_contain_text("comes from ∂loss/∂v1[0…63, 100]")
    assert lit(page, "gradient")[1] == 64 and lit(page, "out")[1] == 64


def test_an_elementwise_mapping_lights_the_same_place(opened, digits):
    page = opened_at(opened, digits[0]["en"], "v2")
    go_to(page, "out", (12, 34))
    assert lit(page, "in0") == ([[12, 34, 35]], 1)


def test_a_loss_is_made_of_all_and_each_row_of_it_goes_into_one(opened, digits):
    page = opened_at(opened, digits[0]["en"], "loss")
    go_to(page, "in0", (5, 5))
    expect(note(page)).to_contain_text("goes into loss")


def test_a_leaf_shows_the_value_and_the_gradient_of_the_same_element(opened, digits):
    page = opened_at(opened, digits[0]["en"], "0.weight")
    found = go_to(page, "gradient", (100, 33))
    expect(note(page)).to_contain_text("∂loss/∂0.weight[100, 33] ≈ ")
    shown = float(re.search(r"≈ (\S+)", note(page).text_content())[1].replace("−", "-"))
    dW = digits[1]["dW"]
    assert abs(shown - dW[100, 33]) <= np.abs(dW).max() / 252 + 0.06 * abs(shown)
    page.keyboard.press("Enter")  # its receipt, or why this page has none
    expect(page.locator("#panel details.full")).to_have_attribute("open", "")
    assert found.get_attribute("data-at") == "100,33"


def test_the_keys_stop_at_the_edges_and_leave_the_rest_of_the_page_alone(opened, digits):
    page = opened_at(opened, digits[0]["en"], "v2")
    found = plate(page, "out")
    found.focus()
    before = page.locator("#position").text_content()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowUp")
    assert found.get_attribute("data-at") == "0,0"
    page.keyboard.press("End")
    page.keyboard.press("ArrowRight")
    assert found.get_attribute("data-at") == "0,127"
    assert page.locator("#position").text_content() == before
    page.keyboard.press(".")
    assert page.locator("#position").text_content() != before or "8 / 8" in before  # other keys still act


def test_nothing_is_drawn_before_it_is_looked_at(opened, digits):
    page = opened(digits[0]["en"], size=(1280, 500))
    assert page.locator("canvas").count() == 0
    page.locator('.box[aria-label^="v1 "]').click()
    expect(page.locator("canvas[data-drawn]").first).to_be_attached()
    drawn, there = page.locator("canvas[data-drawn]").count(), page.locator(".plate").count()
    assert 0 < drawn < there


def test_a_picture_has_the_proportions_of_the_shape_and_a_name(opened, digits):
    page = opened_at(opened, digits[0]["en"], "v1")
    size = plate(page, "in1").bounding_box()
    assert size["width"] / size["height"] == pytest.approx(784 / 128, rel=0.05)
    label = plate(page, "in1").get_attribute("aria-label")
    assert label.startswith("0.weight: 128×784, from ") and "arrow keys" in label
    assert plate(page, "in1").get_attribute("role") == "application"
    assert note(page).get_attribute("aria-live") == "polite"
    assert "128×784" in page.locator("#panel details.as-text pre").text_content()  # and the same as text


def test_in_chinese(opened, digits):
    page = opened_at(opened, digits[0]["zh"], "v1")
    go_to(page, "out", (1, 2))
    expect(note(page)).to_contain_text("由以下元素得来：X[1, 0…783], 0.weight[2, 0…783], 0.bias[2]")
    assert "用方向键" in plate(page, "out").get_attribute("aria-label")
    assert plate(page, "out").get_attribute("aria-roledescription") == text("page.picture", "zh")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_zero_is_the_ground_in_light_and_dark(opened, scheme):
    x = np.zeros((30, 30))
    x[3, 4], x[5, 6], x[7, 8] = 1, -1, np.nan
    X = pb.tensor(x, requires_grad=True)
    page = opened_at(opened, pb.graph((X * 2.0).sum(), names={"X": X}, lang="en"), "X", color_scheme=scheme)
    pixels = plate(page, "out").locator("canvas").first.evaluate(
        "(c) => [[0, 0], [4, 3], [6, 5], [8, 7]].map(([x, y]) => [...c.getContext('2d').getImageData(x, y, 1, 1).data])"
    )
    colours = page.evaluate(
        """() => { const style = getComputedStyle(document.documentElement);
             return ["--surface", "--plus", "--minus", "--stop"].map((n) => style.getPropertyValue(n).trim()); }"""
    )
    expected = [[int(c[i : i + 2], 16) for i in (1, 3, 5)] + [255] for c in colours]
    assert pixels == expected
    page.emulate_media(color_scheme="dark" if scheme == "light" else "light")  # it turns with the system
    assert plate(page, "out").locator("canvas").first.evaluate(
        "(c) => [...c.getContext('2d').getImageData(0, 0, 1, 1).data]") != expected[0]  # fmt: skip


# ----------------------------------------------------------------------------------------- other shapes


@pytest.fixture(scope="module")
def convolution():
    pb.random.manual_seed(0)
    layer = pb.nn.Conv2d(3, 5, 3, stride=2, padding=1)
    X = pb.tensor(np.random.default_rng(0).normal(size=(4, 3, 20, 20)).astype("f4"), requires_grad=True)
    y = layer(X)
    return pb.graph((y * y).sum(), names={"X": X, "y": y}, lang="en")


def test_a_convolution_lights_its_window_in_every_channel(opened, convolution):
    page = opened_at(opened, convolution, "y")
    found = plate(page, "out")
    assert page.get_by_role("slider", name="y: index along axis 1", exact=True).get_attribute("max") == "4"
    page.get_by_role("slider", name="y: index along axis 0", exact=True).fill("2")
    found.focus()
    for key in ["PageDown", "ArrowDown", "ArrowDown", "ArrowRight"]:
        page.keyboard.press(key)
    assert found.get_attribute("data-at") == "2,1,2,1"
    expect(note(page)).to_contain_text("is made of X[2, 0…2, 3…5, 1…3]")
    assert lit(page, "in0") == ([[3, 1, 4], [4, 1, 4], [5, 1, 4]], 9)
    turned = page.get_by_role("slider", name="X: index along axis 0", exact=True)
    assert turned.input_value() == "2"  # to where they are
    page.get_by_role("slider", name="y: index along axis 0", exact=True).fill("0")
    assert found.get_attribute("data-at") == "0,1,2,1"


def test_a_weight_of_a_filter_lights_one_channel_of_every_image_and_that_is_quick(opened):
    pb.random.manual_seed(0)
    layer = pb.nn.Conv2d(3, 16, 3, padding=1)
    X = pb.tensor(np.random.default_rng(0).normal(size=(32, 3, 40, 40)).astype("f4"))
    y = layer(X)  # 819,200 elements
    page = opened_at(opened, pb.graph((y * y).sum(), names={"X": X, "y": y, "W": layer.weight}, lang="en"), "y")
    found = plate(page, "in1")
    found.focus()
    for key in ["PageDown", "ArrowDown"]:
        page.keyboard.press(key)
    expect(note(page)).to_contain_text("W[0, 1, 1, 0] ≈")
    expect(note(page)).to_contain_text("goes into y[0…31, 0, 0…39, 1…39]")  # at the edge there is nothing to the left
    assert page.locator(".plate[data-role=out] .marks").get_attribute("data-count") == str(40 * 39)
    spent = page.evaluate(
        """() => { const plate = document.querySelector(".plate[data-role=in1]"), start = performance.now();
             for (const key of Array(5).fill(["ArrowRight", "ArrowLeft"]).flat())
               plate.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
             return (performance.now() - start) / 10; }"""
    )
    assert spent < 400  # a few milliseconds on an idle machine


def test_more_than_fits_is_means_over_blocks_and_says_so(opened):
    rng = np.random.default_rng(0)
    W = pb.tensor(rng.normal(size=(600, 500)).astype("f4"), requires_grad=True)
    page = opened_at(opened, pb.graph((W @ W.T).sum(), names={"W": W}, lang="en"), "W")
    assert "means over blocks of 2×2" in page.locator("figcaption").first.text_content()
    found = plate(page, "out")
    found.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    shown = float(re.search(r"W\[1, 1\] \(mean of its block\) ≈ (\S+)", note(page).text_content())[1].replace("−", "-"))
    assert abs(shown - W.numpy()[:2, :2].mean()) < 0.03


def test_rows_that_a_gather_picked_light_up(opened):
    table = pb.tensor(np.random.default_rng(0).normal(size=(60, 16)), requires_grad=True)
    ids = np.random.default_rng(1).integers(0, 60, 24)
    picked = pb.nn.functional.embedding(pb.tensor(ids), table)
    page = opened_at(opened, pb.graph(picked.sum(), names={"E": table, "p": picked}, lang="en"), "p")
    go_to(page, "out", (9, 4))
    name = next(role for role in ("in0", "in1") if lit(page, role))
    assert lit(page, name) == ([[int(ids[9]), 4, 5]], 1)


def test_a_vector_and_a_column_can_be_pointed_at(opened):
    x = pb.tensor(np.linspace(-1, 1, 3000), requires_grad=True)
    column = x.reshape(3000, 1)
    page = opened_at(opened, pb.graph((column * column).sum(), names={"x": x, "c": column}, lang="en"), "c")
    assert min(plate(page, "out").bounding_box()[side] for side in ("width", "height")) >= 14
    found = plate(page, "in0")
    found.focus()
    page.keyboard.press("End")
    expect(note(page)).to_contain_text("x[2999] ≈ 1 goes into c[2999, 0]")


def test_a_number_that_is_not_finite_is_named(opened):
    x = np.full((20, 20), np.inf)
    x[0, 1] = -2.0
    X = pb.tensor(x, requires_grad=True)
    page = opened_at(opened, pb.graph(pb.where(X > 0, 0.0, X).sum(), names={"X": X}, lang="en"), "X")
    go_to(page, "out", (3, 3))
    expect(note(page)).to_contain_text("X[3, 3] ≈ ∞")


def test_in_a_drawing_of_many_boxes_too(opened):
    rng = np.random.default_rng(0)
    X, W = (pb.tensor(rng.normal(size=shape), requires_grad=True) for shape in ((30, 40), (40, 20)))
    scale = pb.tensor(1.0, requires_grad=True)
    for i in range(500):
        scale = scale * 1.001 if i % 2 else pb.sin(scale)
    drawing = pb.graph(pb.sum((X @ W) * scale), names={"X": X, "W": W}, lang="en")
    boxes = drawing.to_dict(receipts=False)["boxes"]
    assert len(boxes) > 500
    (product,) = (box for box in boxes if box.get("mapping") == "matmul")
    page = opened_at(opened, drawing, product["symbol"])
    go_to(page, "out", (12, 7))
    expect(note(page)).to_contain_text("is made of X[12, 0…39], W[0…39, 7]")
    assert lit(page, "in0") == ([[12, 0, 40]], 40)
    assert lit(page, "in1")[1] == 40
