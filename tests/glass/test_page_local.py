"""In a real browser: every box of a page of any size answers a click with its receipt, and nobody else is asked."""

import json
import re
from collections import Counter

import numpy as np
import pytest

import pullback as pb
from pullback.glass.html import inert

try:
    from playwright.sync_api import expect
except ImportError:
    pytest.skip("no playwright: the page is not driven", allow_module_level=True)


MAPPINGS = 10_000


def panel(page):
    return page.locator("#panel")


def leaf(x):
    return pb.tensor(np.float64(x), requires_grad=True)


def chain(kind, rng):
    """A loss of 10,000 mappings whose gradient does not die out on the way, and the tensors in it.

    "repeated": the same four mappings again and again, which fold to one box ×2500; "mixed": no two rounds alike.
    """
    ws = [leaf(w) for w in rng.normal(size=40)]
    v = leaf(0.5)
    met = [v, *ws]
    for i in range(MAPPINGS // 4):
        w = ws[i % 40]
        turn = 0 if kind == "repeated" else rng.integers(4)
        bent = (pb.tanh, pb.sin, pb.atan, pb.cos)[turn](v)
        made = [bent, bent * w, None, None]
        made[2] = made[1] * 0.01
        made[3] = v + made[2]
        v = made[3]
        met.extend(made)
    return v, met


@pytest.fixture(scope="module", params=["mixed", pytest.param("repeated", marks=pytest.mark.slow)])
def large(request):
    """A drawing of 10,000 mappings, and by the number of a box what an ordinary backward pass says of it."""
    rng = np.random.default_rng(11)
    loss, met = chain(request.param, rng)
    chosen = [0, 40, *rng.choice(np.arange(41, len(met) - 1), 10, replace=False)]
    for i in chosen:
        met[i].retain_grad()
    serials = {met[i]._link.serial: i for i in chosen}
    drawing = pb.graph(loss, lang="en")
    loss.backward()
    numbers = {b.number: met[serials[b.serial]].grad.item() for b in drawing.diagram.boxes if b.serial in serials}
    assert len(numbers) == 12 and len({*numbers.values()}) > 8
    return drawing, numbers


def data_of(page):
    return json.loads(page.locator("#data").text_content())


def reach(page, data, number):
    """Unfold the groups around a box, as somebody would who looks for it, and click the box."""
    around = {item: group["number"] for group in data["groups"] for item in group["items"]}
    way, at = [], number
    while at in around:
        way.insert(0, around[at])
        at = f"g{around[at]}"
    for group in way:
        folded = page.locator(f"#pb-g{group}.box")
        if folded.count():
            folded.dispatch_event("click")
    page.locator(f"#pb-b{number}").dispatch_event("click")
    expect(page.locator(f"#pb-b{number}")).to_have_attribute("aria-pressed", "true")


def sum_shown(page):
    said = panel(page).locator(".sum").text_content()
    number = re.match(r"sum ([−0-9.e-]+), the engine's gradient to the last bit ✓$", said)
    assert number, said
    return float(number[1].replace("−", "-"))


def same(page, data, number, gradient):
    reach(page, data, number)
    assert sum_shown(page) == gradient, data["boxes"][number]["title"]


def test_any_box_of_ten_thousand_mappings_shows_a_sum_that_is_the_engines_gradient(opened, large):
    drawing, numbers = large
    page = opened(drawing)
    data = data_of(page)
    assert len(data["boxes"]) > MAPPINGS and data["receipts"] == {}
    for number, gradient in numbers.items():
        page.click("#fold-all")
        same(page, data, number, gradient)
        text = panel(page).locator("details.as-text pre").text_content()
        assert drawing.local(number).text().strip() in text
        made = data["boxes"][number]
        if made["kind"] == "mapping":  # what it sends on is written in its own names and numbers
            slopes = [f"∂{made['symbol']}/∂{x['symbol']}" for x in made["inputs"] if x["source"] is not None]
            assert slopes and all(re.search(rf"^  {slope} = .*\d$", text, re.M) for slope in map(re.escape, slopes))
        checks = Counter(panel(page).locator(".check").all_text_contents())
        assert checks and all("✓" in said for said in checks)
    assert not opened.requests


@pytest.mark.parametrize("large", ["mixed"], indirect=True)
def test_one_wrong_bit_is_seen(opened, large, tmp_path):
    drawing, numbers = large
    data = drawing.to_dict()
    number, gradient = list(numbers.items())[7]
    data["local"]["totals"][number] = float(np.nextafter(data["local"]["totals"][number], 1e9))
    whole = drawing.to_html()
    begin = whole.index('id="data">') + len('id="data">')
    path = tmp_path / "wrong.html"
    path.write_text(whole[:begin] + inert(data | {"serve": None}) + whole[whole.index("</script>", begin) :])
    page = opened(path.as_uri())
    with pytest.raises(AssertionError):
        same(page, data, number, gradient)
    other, right = list(numbers.items())[8]
    page.click("#fold-all")
    same(page, data, other, right)


@pytest.mark.parametrize("large", ["mixed"], indirect=True)
def test_the_gradient_that_comes_in_leads_to_its_own_receipt_box_by_box(opened, large):
    drawing, numbers = large
    page = opened(drawing)
    data = data_of(page)
    reach(page, data, max(numbers))
    root = data["boxes"][data["root"]]["symbol"]
    for _ in range(4):
        line = panel(page).locator(".use .product").first
        incoming = re.search(r"= \(?([−0-9.e-]+)\)? ·", line.text_content())[1]
        link = line.get_by_role("button")
        symbol = link.text_content().split("/∂")[1]
        if symbol == root:
            break
        link.click()
        expect(panel(page).locator("h2")).to_contain_text(symbol)
        assert panel(page).locator(".entry.result .number").last.is_visible()
        assert panel(page).locator(".local > .entry .number").text_content() == incoming
    assert not opened.requests


def folded_modules():
    pb.random.manual_seed(0)
    from pullback import nn

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.act = nn.Linear(4, 4), nn.Tanh()

        def forward(self, x):
            return x + self.act(self.inner(x)) * 0.02

    return nn.Sequential(*[Block() for _ in range(2500)]).double()


@pytest.mark.slow
def test_a_page_of_two_thousand_folded_modules_has_the_receipts_of_all_weights(opened):
    net = folded_modules()
    loss = pb.sum(net(pb.tensor(np.random.default_rng(0).normal(size=(3, 4)))) ** 2)
    drawing = pb.graph(loss, lang="en")
    loss.backward()
    page = opened(drawing)
    data = data_of(page)
    assert sum(box["kind"] == "mapping" for box in data["boxes"]) >= MAPPINGS
    assert page.locator(".box").count() <= 60
    weights = dict(net.named_parameters())
    rng = np.random.default_rng(5)
    numbers = [n for n, box in enumerate(data["boxes"]) if box["symbol"] in weights]
    for number in rng.choice(numbers, 3, replace=False).tolist():
        page.click("#fold-all")
        reach(page, data, number)
        g = weights[data["boxes"][number]["symbol"]].grad.numpy()
        assert sum_shown(page) == g.reshape(-1)[np.argmax(np.abs(g))]
        assert panel(page).locator(".check").all_text_contents() == [
            said for said in panel(page).locator(".check").all_text_contents() if "✓" in said
        ]
        assert "Σ_n" in panel(page).locator(".use").text_content()
    assert not opened.requests


def test_zeros_and_what_is_missing_say_why_and_lead_to_where_it_is(opened):
    x = leaf(-1.0)
    ids = np.array([1, 0])
    w = pb.tensor(np.ones((2, 2)), requires_grad=True)
    loss = pb.relu(pb.tanh(pb.sin(x))) + pb.sum(pb.take(w, ids, axis=0)[:1])
    page = opened(pb.graph(loss, names={"x": x, "ids": ids, "w": w}, lang="en"))
    page.locator('.box[aria-label^="x,"]').click()
    expect(panel(page).locator(".reason")).to_contain_text("Why: dead unit – relu gives 0, and lets nothing through")
    panel(page).locator(".reason button").click()
    expect(panel(page).locator("h2")).to_contain_text("tanh")
    expect(panel(page).locator(".reason")).to_contain_text("dead unit")
    assert "0" in panel(page).locator(".use .product").text_content()
    page.locator('.box[aria-label^="ids,"]').click()
    expect(panel(page).locator(".reason")).to_contain_text("Why: integer – ids has dtype int64")
    assert panel(page).locator(".sum").count() == 0


def test_second_order_and_several_results(opened):
    x = leaf(0.7)
    slope = pb.grad(lambda x: pb.sin(x) * x)(x)
    loss = slope**2
    drawing = pb.graph(loss, names={"x": x}, lang="en")
    loss.backward()
    page = opened(drawing)
    page.locator('.box[aria-label^="x,"]').click()
    assert sum_shown(page) == x.grad.item()
    s, c = np.sin(0.7), np.cos(0.7)
    assert sum_shown(page) == pytest.approx(2 * (c * 0.7 + s) * (2 * c - 0.7 * s), rel=1e-12)


def test_in_chinese(opened):
    x = leaf(-1.0)
    page = opened(pb.graph(pb.relu(x) * x, names={"x": x}, lang="zh"))
    page.locator('.box[aria-label^="x,"]').click()
    said = panel(page).locator("section.local").inner_text()
    assert "一位不差" in said and "有限差分" in said and not re.search(r"finite|gradient|sum ", said)
