"""A real browser to open pages in; without one the tests that drive it are skipped, and say so."""

import shutil

import pytest

try:
    from playwright.sync_api import expect, sync_playwright
except ImportError:
    expect = sync_playwright = None

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
OPTIONS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
ASKED = ("/edit", "/receipt")
"""What a served page may ask of the engine behind it."""


@pytest.fixture(scope="module")
def browser():
    if BROWSER is None or sync_playwright is None:
        pytest.skip("no Chromium on the PATH, or no playwright: the page is not driven")
    expect.set_options(timeout=20_000)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=BROWSER, headless=True, args=OPTIONS)
        yield started
        started.close()


@pytest.fixture
def opened(browser, tmp_path):
    """Open a drawing, or an address, as a page. Afterwards: no error was met, and no request left the page."""
    contexts, trouble, requests = [], [], []

    def open_page(drawing, size=(1280, 840), **settings):
        address = drawing
        if not isinstance(drawing, str):
            path = tmp_path / f"{len(contexts)}.html"
            drawing.html(path)
            address = path.as_uri()
        settings = {"reduced_motion": "reduce", **settings}
        context = browser.new_context(viewport={"width": size[0], "height": size[1]}, **settings)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.on("console", lambda message: trouble.append(message.text) if message.type == "error" else None)
        page.on("request", lambda request: requests.append(request.url))
        page.goto(address)
        page.wait_for_selector("html[data-ready]")
        requests.remove(address)
        return page

    open_page.trouble, open_page.requests = trouble, requests
    yield open_page
    for context in contexts:
        context.close()
    assert not trouble
    assert all(url.startswith("http://127.0.0.1:") and url.endswith(ASKED) for url in requests)
