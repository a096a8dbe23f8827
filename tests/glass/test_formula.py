"""Formulas: every one of the catalogue renders, and parentheses stand exactly where the value needs them."""

import itertools
import math
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import pullback as pb
from pullback.core.mapping import CATALOGUE
from pullback.glass.formula import FormulaError, as_formula, formula, formula_of, to_mathml, to_unicode
from pullback.glass.formula.symbols import SUPERSCRIPTS

BY_HAND = [
    (r"{a} + {b}", "a + b"),
    (r"{a} - {b}", "a − b"),
    (r"\frac{{{a}}}{{{b}}}", "a/b"),
    (r"\frac{{{a} + 1}}{{2{b}}}", "(a + 1)/(2 b)"),
    (r"{a}^2", "a²"),
    (r"{a}^{{-1}}", "a⁻¹"),
    (r"{{{a}}}^{{{b} + 1}}", "a^(b + 1)"),
    (r"e^{{-{a}}}", "e⁻ᵃ"),
    (r"\frac{{1}}{{1 + e^{{-{a}}}}}", "1/(1 + e⁻ᵃ)"),
    (r"\sqrt{{{a}^2 + {b}^2}}", "√(a² + b²)"),
    (r"\sqrt{{{a}}}", "√a"),
    (r"\ln {a}", "ln(a)"),
    (r"\ln \sum e^{{{a}}}", "ln(Σ eᵃ)"),
    (r"\log_{{10}} {a}", "log₁₀(a)"),
    (r"\operatorname{{erf}}^{{-1}}({a})", "erf⁻¹(a)"),
    (r"\operatorname{{nan\_to\_num}}({a})", "nan_to_num(a)"),
    (r"\left|{a}\right| \operatorname{{sign}}({b})", "|a| · sign(b)"),
    (r"\left\lfloor \frac{{{a}}}{{{b}}} \right\rfloor", "⌊a/b⌋"),
    (r"\left\lVert {a} \right\rVert_2", "‖a‖₂"),
    (r"{a} \text{{ if }} {b} \text{{ else }} 0", "a if b else 0"),
    (r"{a} \mathbin{{|}} {b}", "a | b"),
    (r"{a}[{b} \leftarrow 0]", "a[b ← 0]"),
    (r"\sum [{a} \ne 0]", "Σ [a ≠ 0]"),
    (r"\sum_{{j \le i}} {a}_j", "Σ_(j ≤ i) aⱼ"),
    (r"{a} \, {b}", "a · b"),
    (r"{a} {b}^T", "a bᵀ"),
    (r"2 \frac{{{a}}}{{3}} \, {b} c", "2 · a/3 · b c"),
    (r"2 \frac{{{a}}}{{3}} {b}", "2 · a/3 · b"),
    (r"i \sim \mathcal{{U}}\{{0, \dots, n - 1\}}", "i ∼ 𝒰{0, …, n − 1}"),
    (r"\frac{{\partial {a}}}{{\partial {b}}}", "∂a/∂b"),
    (r"({b}^T \delta) \odot f'({a})", "(bᵀ δ) ⊙ f′(a)"),
    (r"\overline{{{a}}}", "a̅"),
]


@pytest.mark.parametrize(("template", "line"), BY_HAND, ids=[line for _, line in BY_HAND])
def test_a_formula_reads_as_it_does_on_paper(template, line):
    tree = formula(template, a="a", b="b")
    assert to_unicode(tree) == line
    assert ElementTree.fromstring(to_mathml(tree)).get("alttext") == line


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_every_formula_of_the_catalogue_is_rendered(name):
    mapping = CATALOGUE[name]
    marks = {argument: f"Q{i}Q" for i, argument in enumerate(mapping.arguments)}
    tree = formula(mapping.formula, **marks)
    line, page = to_unicode(tree), ElementTree.fromstring(to_mathml(tree))
    assert tree == formula_of(
        mapping, *marks.values()
    )  # not the name with parentheses, which stands for an unreadable one
    for argument, mark in marks.items():
        count = len(re.findall(r"\{" + argument + r"\}", mapping.formula))
        assert line.count(mark) == count
        assert sum(mark in (node.text or "") for node in page.iter()) == count
    assert not re.search(r"[\\{}]", line) or name == "random_integers"


# ------------------------------------------------------------- the parentheses, by calculating with them

NUMBERS = st.integers(-3, 9)
LEAVES = NUMBERS.map(lambda n: (as_formula(n), float(n)))
NAMES = {"x": 1.5, "y": -0.75, "z": 2.25}
VARIABLES = st.sampled_from(sorted(NAMES)).map(lambda name: (as_formula(name), NAMES[name]))
UNARY = [pb.negative, pb.reciprocal, pb.square, pb.exp, pb.abs, pb.sin, pb.sqrt, pb.relu, pb.sigmoid, pb.log, pb.floor]
BINARY = [
    pb.add,
    pb.subtract,
    pb.multiply,
    pb.divide,
    pb.maximum,
    pb.hypot,
    pb.pow,
    pb.remainder,
    CATALOGUE["exp_of_difference"],
]


def apply(mapping, *parts):
    trees, values = zip(*parts, strict=True)
    return formula_of(mapping, *trees), float(mapping.evaluate(*map(np.float64, values)))


EXPRESSIONS = st.recursive(
    LEAVES | VARIABLES,
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(UNARY), inner).map(lambda t: apply(*t)),
        st.tuples(st.sampled_from(BINARY), inner, inner).map(lambda t: apply(*t)),
    ),
    max_leaves=12,
)
FUNCTIONS = {"ln": np.log, "sin": np.sin, "max": np.maximum, "abs": abs, "floor": np.floor, "sqrt": np.sqrt}


def calculate(python):
    numbers = re.sub(r"(?<![\w.])(\d+)", r"N(\1)", python)
    return float(
        eval(
            numbers,
            {**FUNCTIONS, **{k: np.float64(v) for k, v in NAMES.items()}, "e": np.float64(math.e), "N": np.float64},
        )
    )


def python_of_unicode(line):
    """The line as Python: what a reader makes of it who knows the usual precedence and nothing else."""
    back = {v: k for k, v in SUPERSCRIPTS.items()}
    raised = "".join(re.escape(v) for v in SUPERSCRIPTS.values() if not v.isascii())
    line = re.sub(f"[{raised}]+", lambda m: "**(" + "".join(back[c] for c in m[0]) + ")", line)
    line = re.sub(r"√(\w)", r"√(\1)", line).replace("√", "sqrt")
    line = line.replace("·", "*").replace("−", "-").replace("^", "**").replace(" mod ", " % ")
    line = line.replace("⌊", "floor(").replace("⌋", ")")
    while "|" in line:  # the innermost pair: an opening bar follows a sign, a closing one an operand
        bars = [m.start() for m in re.finditer(r"\|", line)]
        i, j = next((i, j) for i, j in itertools.pairwise(bars) if opens(line, i) and not opens(line, j))
        line = line[:i] + "abs(" + line[i + 1 : j] + ")" + line[j + 1 :]
    return line


def opens(line, i):
    before = line[:i].rstrip()
    return not before or (before[-1] in "(+-*/%,|" and (before[-1] != "|" or opens(line, len(before) - 1)))


def python_of_mathml(node):
    """The element as Python: a fraction, a root and a power hold together, everything else stands as it is."""
    parts = [python_of_mathml(child) for child in node]
    match node.tag:
        case "mfrac":
            return f"(({parts[0]})/({parts[1]}))"
        case "msqrt":
            return f"sqrt({''.join(parts)})"
        case "msup":
            return f"({parts[0]})**({parts[1]})" if node[0].tag == "mrow" else f"{parts[0]}**({parts[1]})"
        case "mo":
            signs = {"·": "*", "−": "-", "\u2061": "", "\u2062": "*", "\u00a0mod\u00a0": "%", "⌊": "floor(", "⌋": ")"}
            return signs.get(node.text, node.text)
        case "mrow" if [child.text for child in node if child.tag == "mo"][:1] == ["|"]:
            return f"abs({''.join(parts[1:-1])})"
    return (node.text or "") + "".join(parts)


@given(EXPRESSIONS)
@settings(max_examples=300, deadline=None)
def test_a_formula_has_the_value_of_what_it_stands_for(expression):
    tree, value = expression
    with np.errstate(all="ignore"):
        line = calculate(python_of_unicode(to_unicode(tree)))
        page = calculate(python_of_mathml(ElementTree.fromstring(to_mathml(tree))))
    assume(np.isfinite(line) or not np.isfinite(value))  # exp_of_difference takes e^(0 − ln 0) as the limit it needs
    for shown in (line, page):
        np.testing.assert_allclose(shown, value, rtol=1e-6, atol=1e-9)


def test_no_parentheses_stand_where_none_are_needed():
    x, y, z = map(as_formula, "xyz")
    assert to_unicode(formula_of(pb.add, formula_of(pb.multiply, x, y), z)) == "x · y + z"
    assert to_unicode(formula_of(pb.multiply, formula_of(pb.negative, x), y)) == "−x · y"
    assert to_unicode(formula_of(pb.add, x, formula_of(pb.add, y, z))) == "x + y + z"
    assert to_unicode(formula_of(pb.multiply, -2, formula_of(pb.square, x))) == "−2 · x²"
    assert to_unicode(formula_of(pb.multiply, x, formula_of(CATALOGUE["sum"], y))) == "x · Σ y"


def test_a_minus_sign_in_front_of_a_remainder_is_kept_apart():
    x, y, z = map(as_formula, "xyz")
    rest = formula_of(pb.remainder, x, y)
    assert to_unicode(formula_of(pb.negative, rest)) == "−(x mod y)"
    assert to_unicode(formula_of(pb.negative, formula_of(pb.divide, rest, z))) == "−(x mod y/z)"


# -------------------------------------------------------------------------------------- what may be given


def test_names_are_escaped_and_text_of_unknown_structure_stands_in_parentheses():
    tree = formula_of(pb.square, "<b>&x")
    assert to_unicode(tree) == "(<b>&x)²"
    assert "<b>" not in to_mathml(tree)
    assert ElementTree.fromstring(to_mathml(tree)).get("alttext") == "(<b>&x)²"


def test_numbers_names_and_lists_stand_for_arguments():
    assert to_unicode(formula_of(pb.multiply, 2.5, -3)) == "2.5 · (−3)"
    assert to_unicode(formula_of(pb.subtract, "layers.0.weight[1, 2]", "1e-05")) == "layers.0.weight[1, 2] − 1e-05"
    assert to_unicode(formula_of(CATALOGUE["concat"], "a", "b", "c")) == "[a, b, c]"


def test_a_mapping_with_an_unreadable_formula_is_written_with_its_name():
    own = pb.hypot.replace(name="own", formula=r"\begin{{matrix}} {a} \end{{matrix}}")
    assert to_unicode(formula_of(own, "u", "v")) == "own(u, v)"
    assert to_unicode(formula_of(pb.hypot.replace(name="own", formula=""), "u", "v")) == "own(u, v)"
    assert to_unicode(formula_of(pb.relu.replace(formula=lambda **static: r"\max({x}, 0)"), "u")) == "max(u, 0)"


@pytest.mark.parametrize(
    "template", [r"\begin{{matrix}}", "{a} +", "({a}", "{{" * 200 + "}}" * 200, r"\frac{{1}}", "{", "|{a}", "", "#"]
)
def test_what_is_outside_the_subset_is_an_error(template):
    with pytest.raises(FormulaError):
        formula(template, a="a")


@given(st.text(alphabet=r"\{}^_()[]|,+-=ab12 fracsqrt", max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_text_is_read_or_refused(template):
    try:
        tree = formula(template, a="a", b="b")
    except (FormulaError, KeyError):
        return
    assert ElementTree.fromstring(to_mathml(tree)).get("alttext") == to_unicode(tree)
