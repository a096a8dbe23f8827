"""A drawing of 10,000 mappings: how long it takes to make the page, to open it, and to answer a click."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

from .child import run
from .figures import Figure, Goal, Settings, figure, missing
from .measure import Sample, interleaved

TITLE = "Drawing of 10,000 mappings as one page, opened in a headless Chromium"
MADE, OPENED, VISIBLE = "graph made and page written", "page open", "boxes visible"
SIZE, RECEIPTS, CLICKED = "size of the page", "boxes without a receipt", "receipt of a box after a click"
UNITS = {MADE: "ms", OPENED: "ms", VISIBLE: "boxes", SIZE: "MB", RECEIPTS: "boxes", CLICKED: "ms"}
GOALS = [Goal(OPENED, 2000.0), Goal(VISIBLE, 60.0), Goal(RECEIPTS, 0.0)]
MAPPINGS = 10_000
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]


def figures(settings: Settings) -> list[Figure]:
    """Measure in one process; nobody else draws such a thing."""
    samples = run("benchmarks.drawing:timings", rounds=3 if settings.quick else 11)
    why = "not measured: no playwright, or no Chromium on the PATH"
    return [
        figure(quantity, "pullback", unit, samples[quantity])
        if quantity in samples
        else missing(quantity, "pullback", unit, why)
        for quantity, unit in UNITS.items()
    ]


def timings(rounds: int) -> dict[str, list[float]]:
    """The milliseconds for the page and for the browser, from the call to where the drawing stands, and the boxes."""
    loss = chain()
    with tempfile.TemporaryDirectory() as folder, _browser() as browser:
        page = Path(folder) / "page.html"

        def sample() -> Sample:
            return written(loss, page) | ({} if browser is None else opened(browser, page))

        return interleaved({"pullback": sample}, rounds)["pullback"]


def chain() -> Any:
    """A loss of 10,000 mappings, chosen at random, over 51 leaves."""
    import numpy as np

    import pullback as pb

    rng = np.random.default_rng(0)
    leaves = [pb.tensor(rng.normal(), requires_grad=True) for _ in range(50)]
    v = pb.tensor(np.float64(0.5), requires_grad=True)
    for i in range(MAPPINGS):
        leaf = leaves[i % len(leaves)]
        v = (v * leaf, v + leaf, pb.tanh(v), pb.sin(v))[rng.integers(4)]
    return v


def written(loss: Any, page: Path) -> Sample:
    """Draw, and write the page."""
    import pullback as pb

    begin = perf_counter()
    pb.graph(loss, lang="en").html(page)
    return {MADE: (perf_counter() - begin) * 1e3, SIZE: page.stat().st_size / 1e6}


def opened(browser: Any, page: Path) -> Sample:
    """Open the page as a browser does that has never seen it, and count what it shows."""
    context = browser.new_context(viewport={"width": 1280, "height": 840})
    try:
        tab = context.new_page()
        begin = perf_counter()
        tab.goto(page.as_uri())
        tab.wait_for_selector("html[data-ready]", timeout=60_000)
        taken = (perf_counter() - begin) * 1e3
        found = {OPENED: taken, VISIBLE: float(tab.locator(".box").count())}
        # what the page carries has a sum for every box that has a gradient
        without = """() => {
          const { boxes, local } = JSON.parse(document.getElementById("data").textContent);
          return boxes.filter((box, n) => box.kind !== "constant" && typeof local.totals[n] !== "number").length;
        }"""
        found[RECEIPTS] = float(tab.evaluate(without))
        tab.locator(".box.group").first.dispatch_event("click")
        click = """() => {
          const box = document.querySelector(".box:not(.group)"), begin = performance.now();
          box.dispatchEvent(new MouseEvent("click", { bubbles: true }));
          if (!document.querySelector("#panel .sum")) throw new Error("no receipt");
          return performance.now() - begin;
        }"""
        return found | {CLICKED: float(tab.evaluate(click))}
    finally:
        context.close()


@contextmanager
def _browser() -> Iterator[Any]:
    """The browser, started; None where there is none."""
    place = next(filter(None, map(shutil.which, BROWSERS)), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        place = None
    if place is None:
        yield None
        return
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=place, headless=True, args=OPTIONS)
        try:
            yield browser
        finally:
            browser.close()
