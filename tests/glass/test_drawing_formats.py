"""Mermaid, DOT and SVG: well formed whatever things are called, and the same content in each."""

import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from importlib import resources

import numpy as np
import pytest

import pullback as pb
from pullback.glass.diagram import Group
from pullback.glass.html import page_file
from pullback.glass.view import view

NASTY = [
    "</script><script>alert(1)</script>", '"]; evil [label="', "a|b{c}<d>&e;", "end", "%%{init}%%", "x\ny", "λ·∂²",
    "权重", "`code`", "#quot;", "style x fill:#f00", "\\", "subgraph", "--> z", "'; DROP TABLE",
    "<img src=x onerror=alert(1)>",
]  # fmt: skip


def nasty(name):
    x = pb.tensor(np.float64(1.5), requires_grad=True)
    w = pb.tensor(np.ones((2, 2)), requires_grad=True)
    return pb.graph((w * x).sum() * x, names={name: x}, lang="en")


def examples():
    x, y = pb.value(2.0), pb.value(3.0)
    yield "scalar", pb.graph((x**2 + x * y) * pb.tanh(y), lang="en")
    net = pb.nn.Sequential(pb.nn.Linear(4, 3), pb.nn.Tanh(), pb.nn.Linear(3, 2))
    loss = pb.nn.CrossEntropyLoss()(net(pb.tensor(np.ones((5, 4), "f4"))), np.array([0, 1, 1, 0, 1]))
    for direction in ("forward", "backward", "both"):
        yield f"network {direction}", pb.graph(loss, direction=direction, lang="zh")
    blocks = pb.nn.Sequential(*[pb.nn.Sequential(pb.nn.Linear(4, 4), pb.nn.ReLU()) for _ in range(12)])
    yield "blocks", pb.graph(pb.nn.Sequential(pb.nn.Linear(4, 4), blocks), pb.ones((2, 4)), lang="en")
    v = x
    for i in range(300):
        v = pb.tanh(v * y) if i % 3 else v + y
    yield "chain", pb.graph(v, lang="en")
    yield "leaf", pb.graph(x, lang="en")


EXAMPLES = dict(examples())
everything = pytest.mark.parametrize("drawing", EXAMPLES.values(), ids=EXAMPLES.keys())

# -------------------------------------------------------------------------------------------- Mermaid

LABEL = r'"[^"\n;]*(?:#\d+;[^"\n;]*)*"'
NODE = re.compile(rf"\s*([bg]\d+)(\[\[|\(\[|\[/|\[)({LABEL})(\]\]|\]\)|/\]|\]):::(leaf|constant|group|root|mapping)")
EDGE = re.compile(rf"\s*([bg]\d+) -->(?:\|({LABEL})\|)? ([bg]\d+)")
FRAME = re.compile(rf"\s*subgraph (g\d+)\[({LABEL})\]")


def read_mermaid(text):
    """Read the lines of a flowchart; every line has to be one of the few kinds that we write."""
    first, *lines = text.rstrip("\n").split("\n")
    assert first == "flowchart TB"
    nodes, edges, depth = {}, [], 0
    for line in lines:
        if found := NODE.fullmatch(line):
            assert {"[[": "]]", "([": "])", "[/": "/]", "[": "]"}[found[2]] == found[4]
            nodes[found[1]] = found[3]
        elif found := EDGE.fullmatch(line):
            edges.append((found[1], found[3]))
        elif FRAME.fullmatch(line):
            depth += 1
        elif line.strip() == "end":
            depth -= 1
        else:
            assert re.fullmatch(r"  classDef \w+ [\w:#,.\- ]+", line), line
    assert depth == 0
    return nodes, edges


@everything
def test_mermaid_has_the_boxes_and_edges_that_are_visible(drawing):
    nodes, edges = read_mermaid(drawing.mermaid())
    seen = view(drawing.diagram, drawing.diagram.opened)
    assert sorted(nodes) == sorted(name for name, _ in seen.items)
    want = [(e.source, e.target) for e in seen.edges]
    assert sorted(edges) == sorted(want if drawing.direction != "backward" else [(b, a) for a, b in want])


@pytest.mark.parametrize("name", NASTY)
def test_no_name_breaks_mermaid(name):
    nodes, edges = read_mermaid(nasty(name).mermaid())
    assert len(nodes) == 5 and len(edges) == 5
    assert not any("<script" in label or "<img" in label for label in nodes.values())


# ------------------------------------------------------------------------------------------------ DOT

QUOTED = r'"(?:[^"\\\n]|\\.)*"'
DOT_LINES = [
    rf"digraph {QUOTED} \{{", r"(graph|node|edge) \[.*\]", rf"[bg]\d+ \[label={QUOTED}, .*\]", r"\}",
    rf"[bg]\d+ -> [bg]\d+(?: \[label={QUOTED}\])?", r"subgraph cluster_g\d+ \{", rf"label={QUOTED}; style=.*",
]


def check_dot(text):
    for line in text.rstrip("\n").split("\n"):
        assert any(re.fullmatch(pattern, line.strip()) for pattern in DOT_LINES), line
    assert text.count("{\n") == len(re.findall(r"^\s*\}$", text, re.MULTILINE))
    if dot := shutil.which("dot"):
        made = subprocess.run([dot, "-Tsvg"], input=text.encode(), capture_output=True, check=True)
        assert b"<svg" in made.stdout and not made.stderr


@everything
def test_dot_is_well_formed_and_has_every_box(drawing):
    text = drawing.dot()
    check_dot(text)
    seen = view(drawing.diagram, drawing.diagram.opened)
    assert text.count(" -> ") == len(seen.edges)
    assert all(re.search(rf"^\s*{name} \[label=", text, re.MULTILINE) for name, _ in seen.items)


@pytest.mark.parametrize("name", NASTY)
def test_no_name_breaks_dot(name):
    check_dot(nasty(name).dot())


# ------------------------------------------------------------------------------------------------ SVG

SVG = "{http://www.w3.org/2000/svg}"


def rectangles(root, kind):
    """The outer rectangles of all boxes of the picture: left, top, right, bottom."""
    found = []
    for rect in root.iter(f"{SVG}rect"):
        if rect.get("class") == kind:
            x, y, width, height = (float(rect.get(k)) for k in ("x", "y", "width", "height"))
            found.append((x, y, x + width, y + height))
    return found


@everything
def test_svg_is_well_formed_and_no_box_covers_another(drawing):
    root = ElementTree.fromstring(drawing.svg())
    width, height = float(root.get("width")), float(root.get("height"))
    boxes = rectangles(root, "body")
    assert len(boxes) == len(view(drawing.diagram, drawing.diagram.opened).items)
    for i, (left, top, right, bottom) in enumerate(boxes):
        assert 0 <= left < right <= width and 0 <= top < bottom <= height
        for other in boxes[:i]:
            assert right <= other[0] or other[2] <= left or bottom <= other[1] or other[3] <= top
    shown = {"".join(text.itertext()) for text in root.iter(f"{SVG}text")}
    for _, item in view(drawing.diagram, drawing.diagram.opened).items:
        assert any(text.startswith(item.title if isinstance(item, Group) else item.symbol) for text in shown)


@everything
def test_svg_takes_nothing_from_elsewhere_and_runs_nothing(drawing):
    svg = drawing.svg()
    root = ElementTree.fromstring(svg)
    assert not {"script", "image", "foreignObject", "use", "a"} & {e.tag.removeprefix(SVG) for e in root.iter()}
    assert not any(name.startswith("on") or "href" in name for e in root.iter() for name in e.attrib)
    assert not re.search(r"url\((?!#)|@import", svg)


@pytest.mark.parametrize("name", NASTY)
def test_no_name_breaks_svg_or_gets_into_its_markup(name):
    root = ElementTree.fromstring(nasty(name).svg())
    assert not any(e.tag in (f"{SVG}script", f"{SVG}img") for e in root.iter())
    shown = [" ".join("".join(t.itertext()).split()) for t in root.iter(f"{SVG}text")]
    whole = " ".join(name.split())
    cut = [text[:-1] for text in shown if len(text) > 9 and text.endswith("…")]
    assert whole in shown or any(map(whole.startswith, cut))


def test_without_the_extra_svg_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "quickjs", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'pullback\[graph\]'"):
        EXAMPLES["scalar"].svg()


def test_in_a_notebook_without_scripts_there_is_a_picture():
    assert EXAMPLES["scalar"]._repr_svg_() == EXAMPLES["scalar"].svg()


# ------------------------------------------------------------------------------------- the page as text


@pytest.mark.parametrize("name", NASTY)
def test_no_name_ends_the_data_of_the_page(name):
    page = nasty(name).to_html()
    assert page.count("<script") == 2 and page.count("</script>") == 2
    assert "<img" not in page.split("<script>")[0]


def test_the_page_names_no_other_place():
    page = EXAMPLES["blocks"].to_html()
    outside = set(re.findall(r"(?:https?:)?//[\w.]+\.\w+[^\s\"'`]*", page))
    assert outside <= {"http://www.w3.org/2000/svg", "//www.w3.org/2000/svg"}
    assert "connect-src &#x27;none&#x27;" in page and "default-src &#x27;none&#x27;" in page
    assert "connect-src &#x27;self&#x27;" in EXAMPLES["blocks"].to_html(serve_url="edit")


def test_the_files_of_the_page_are_installed_with_the_licence_of_what_is_not_ours():
    licence = resources.files("pullback.glass").joinpath("page", "dagre.LICENSE").read_text(encoding="utf8")
    assert "Chris Pettitt" in licence and "Permission is hereby granted" in licence
    assert "MIT" in page_file("dagre.min.js").splitlines()[-1]


def test_in_a_notebook_a_drawing_shows_itself_in_a_frame_that_can_do_nothing_else():
    shown = EXAMPLES["scalar"]._repr_html_()
    assert shown.startswith('<iframe srcdoc="') and 'sandbox="allow-scripts"' in shown
    assert "<script" not in shown.replace("&lt;script", "")
