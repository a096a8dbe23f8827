"""In a notebook, tensors, modules, traced functions, receipts and drawings display themselves."""

import re
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest

import pullback as pb


class Balanced(HTMLParser):
    """Reads markup, and fails where an element is not closed."""

    def __init__(self, markup):
        super().__init__()
        self.open, self.words, self.tags = [], [], []
        self.feed(markup)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.open.append(tag)
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def test_a_tensor_shows_its_type_and_its_numbers():
    shown = Balanced(pb.tensor([[1.5, -2.0], [0.0, 4.0]], requires_grad=True)._repr_html_())
    assert shown.words[0] == "tensor float32[2,2] · requires_grad"
    assert shown.words[1:] == ["1.5", "-2", "0", "4"] and shown.tags.count("td") == 4


@pytest.mark.parametrize("value", [3.5, [], [1, 2, 3], [True, False], [np.nan, np.inf], np.zeros((0, 3)), 1 + 2j])
def test_any_tensor_can_be_shown(value):
    Balanced(pb.asarray(value)._repr_html_())


def test_a_large_tensor_shows_its_corner():
    x = pb.asarray(np.arange(120_000.0).reshape(30, 40, 100))
    shown = Balanced(x._repr_html_())
    assert shown.tags.count("td") == 72 and len("".join(shown.words)) < 2000
    assert "119999" in "".join(shown.words) or "120000" in "".join(shown.words)


def test_a_result_says_what_made_it():
    assert "exp" in pb.exp(pb.value(1.0))._repr_html_()


def test_a_value_inside_a_transform_has_no_numbers_to_show_and_says_whose_it_is():
    seen = []
    pb.vmap(lambda x: seen.append(x._repr_html_()) or x * 2)(np.ones(3))
    assert "vmap" in Balanced(seen[0]).words[0] or seen[0].startswith("<code>")


def test_a_module_shows_itself_as_a_tree_with_its_parameters():
    net = pb.nn.Sequential(pb.nn.Linear(4, 3), pb.nn.Sequential(pb.nn.Tanh(), pb.nn.Linear(3, 2)))
    shown = Balanced(net._repr_html_())
    assert shown.tags.count("details") == 5
    said = " | ".join(shown.words)
    assert "1: Linear" in said and "in_features=3" in said and "weight float32[2,3]" in said
    assert re.search(r"Sequential.*?23\b.*?15\b.*?8\b", said)  # 4·3 + 3 and 3·2 + 2 parameters, and all of them


def test_names_are_escaped():
    net = pb.nn.Sequential({"<b>x": pb.nn.Linear(2, 2)})
    assert "<b>x" not in net._repr_html_()


def test_a_traced_function_and_a_receipt_show_themselves():
    traced = pb.trace(lambda x: pb.sum(pb.tanh(x)))
    assert traced.graph(pb.ones(3))._repr_html_().startswith("<iframe")
    x = pb.value(2.0)
    assert "32" in pb.explain(x**5 * 0.4, x)._repr_html_()


def test_tensors_are_made_without_loading_the_glass_box():
    code = (
        "import sys, pullback as pb; pb.nn.Linear(2, 2)(pb.ones((1, 2)));"
        "print(*(name for name in sys.modules if 'glass' in name))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
