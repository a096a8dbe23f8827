"""summary: hand-counted parameters and operations, memory against the graph that is recorded, nothing changed."""

import numpy as np
import pytest

import pullback as pb
from pullback import nn
from pullback.core.errors import ShapeError
from pullback.core.mapping import CATALOGUE
from pullback.transforms.node import Leaf, Part


def row(summary, path):
    return next(r for r in summary.rows if r.path == path)


class TestCounts:
    def test_a_multilayer_perceptron(self):
        net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2, bias=False))
        s = nn.summary(net, (3, 4))
        # one product and one sum per weight and example, one sum per output; one maximum per element
        assert [r.flops for r in s.rows] == [0, 2 * 3 * 4 * 8 + 3 * 8, 3 * 8, 2 * 3 * 8 * 2]
        assert [r.parameters for r in s.rows] == [0, 4 * 8 + 8, 0, 8 * 2]
        assert s.parameters == s.trainable == 56 and s.flops == sum(r.flops for r in s.rows)
        assert row(s, "0").inputs == ((3, 4),) and row(s, "2").outputs == ((3, 2),)
        assert (s.parameter_bytes, s.gradient_bytes, s.buffer_bytes, s.input_bytes) == (224, 224, 0, 48)
        assert s.kept_bytes == 3 * 8 * 4  # what relu puts out, which the linear layer behind it reads as well
        assert s.training_bytes == 224 + 224 + 48 + 96

    def test_a_convolution(self):
        net = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1, groups=1), nn.BatchNorm2d(8))
        s = nn.summary(net, (2, 3, 8, 6))
        places = 2 * 8 * 4 * 3
        assert row(s, "0").outputs == ((2, 8, 4, 3),)
        assert row(s, "0").flops == 2 * places * 3 * 9 + places
        assert row(s, "0").parameters == 8 * 3 * 9 + 8 and row(s, "1").parameters == 16
        assert s.buffer_bytes == 2 * 8 * 4 + 8
        grouped = nn.summary(nn.Conv1d(4, 6, 5, groups=2, bias=False), (2, 4, 9))
        assert grouped.flops == 2 * (2 * 6 * 5) * (4 // 2 * 5)

    def test_pooling_reads_every_element_of_every_window(self):
        x = (2, 3, 6, 8)
        assert nn.summary(nn.MaxPool2d(2), x).flops == nn.summary(nn.AvgPool2d(2), x).flops == 2 * 3 * 6 * 8
        assert nn.summary(nn.AvgPool2d((3, 2), stride=(3, 1)), x).flops == 2 * 3 * (2 * 7) * (3 * 2)
        # windows 0–2, 2–4, 4–6 and so on cover the rows; of the 8 columns, 0–2, 1–4, 3–5, 4–7 and 6–8
        covered = 2 * 3 * 6 * (2 + 3 + 2 + 3 + 2)
        assert nn.summary(nn.AdaptiveAvgPool2d((3, 5)), x).flops == covered
        assert nn.summary(nn.AdaptiveMaxPool2d((3, 5)), x).flops == covered
        assert nn.summary(nn.Upsample(scale_factor=2), x).flops == 0  # numbers are only copied

    def test_attention(self):
        n, t, e, h = 2, 5, 6, 3
        s = nn.summary(nn.MultiheadAttention(e, h, batch_first=True), *[(n, t, e)] * 3, need_weights=False)
        products = 3 * (2 * n * t * e * e + n * t * e)  # queries, keys and values, with their biases
        attention = 2 * (2 * n * t * t * e)  # scores, and weighted means, of all heads together
        scale, softmax = n * t * e, 4 * n * h * t * t  # two exponentials, a sum, a difference
        assert row(s, "").flops == products + attention + scale + softmax
        assert row(s, "out_proj").flops == 2 * n * t * e * e + n * t * e
        assert s.parameters == 3 * e * e + 3 * e + e * e + e

    def test_an_lstm_counts_every_step(self):
        t, n, f, h = 4, 2, 3, 5
        s = nn.summary(nn.LSTM(f, h), (t, n, f))
        inputs = 2 * t * n * f * 4 * h + t * n * 4 * h + 4 * h  # all steps in one product; the two biases added once
        cell = 3 * h + h + h + 2 * h + h + h  # three sigmoids, two tanh, products and sums
        assert s.flops == inputs + t * (2 * n * h * 4 * h + n * 4 * h + n * cell)
        assert s.parameters == 4 * h * (f + h + 2)
        assert row(s, "").outputs == ((t, n, h), (1, n, h), (1, n, h))

    def test_a_module_called_twice_and_a_tied_weight(self):
        class Twice(nn.Module):
            def __init__(self):
                super().__init__()
                self.a = nn.Linear(4, 4)
                self.b = nn.Linear(4, 4, bias=False)
                self.b.weight = self.a.weight

            def forward(self, x):
                return self.b(self.a(self.a(x))) * 2

        s = nn.summary(Twice(), (3, 4))
        assert row(s, "a").calls == 2 and row(s, "a").flops == 2 * (2 * 3 * 16 + 12)
        assert row(s, "b").parameters == 0 and s.parameters == 20
        assert row(s, "").flops == 12  # the product with 2 belongs to no inner module
        assert "a: Linear ×2" in str(s)

    def test_frozen_parameters_need_no_gradient(self):
        net = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 2)).requires_grad_(False, where="0.*")
        s = nn.summary(net, (3, 4))
        assert s.trainable == 18 and s.gradient_bytes == 18 * 4 and "(40 of them frozen)" in str(s)

    def test_every_bilinear_mapping_says_what_it_does(self):
        assert [name for name, mapping in CATALOGUE.items() if mapping.family == "bilinear" and not mapping.flops] == []

    def test_products_by_their_definition(self):
        class Products(nn.Module):
            def forward(self, a, b):
                return pb.einsum("bij,bjk->bik", a, b), pb.matmul(a, b)

        assert nn.summary(Products(), (2, 3, 4), (2, 4, 5)).flops == 2 * 2 * (2 * 3 * 4 * 5)


def owner(x):
    """The array that owns the memory that `x` shows."""
    return x if x.base is None else owner(x.base)


def kept_by_the_graph(y, given):
    """The bytes of all arrays that the recorded nodes hold, each once, without parameters and inputs."""
    waiting, nodes, arrays = [y._link], {}, {}
    while waiting:
        link = waiting.pop()
        node = link.node if isinstance(link, Part) else link
        if node is None or isinstance(node, Leaf) or id(node) in nodes:
            continue
        nodes[id(node)] = node
        waiting.extend(node.links)
        outputs = node.output if isinstance(node.output, tuple) else (node.output,)
        for x in (*node.inputs, *outputs):
            if isinstance(x, np.ndarray):
                arrays[id(owner(x))] = owner(x)
    return sum(x.nbytes for key, x in arrays.items() if key not in given)


@pytest.mark.parametrize(
    ("net", "shape"),
    [
        (nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 2)), (3, 4)),
        (nn.Sequential(nn.Linear(4, 8), nn.LayerNorm(8), nn.GELU(), nn.Linear(8, 2)), (3, 4)),
        (nn.Sequential(nn.Linear(4, 8), nn.Sigmoid(), nn.Flatten(), nn.Linear(40, 2)), (3, 5, 4)),
        (nn.Residual(nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 4))), (3, 4)),
        (nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 2)), (3, 4)),
    ],
)
def test_what_is_kept_is_what_the_graph_holds(net, shape):
    x = np.ones(shape, np.float32)
    y = net(x)
    given = {id(owner(p._payload.read())) for p in net.parameters()} | {id(x)}
    assert nn.summary(net, x).kept_bytes == kept_by_the_graph(y, given)


class TestUse:
    def test_nothing_is_computed_and_nothing_changes(self):
        net = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Dropout(0.5))
        before = {path: np.asarray(x).copy() for path, x in net.state_dict().items()}
        counter = pb.random.get_state()
        nn.summary(net, (1000, 4))
        assert pb.random.get_state() == counter
        for path, x in net.state_dict().items():
            np.testing.assert_array_equal(np.asarray(x), before[path])
        assert all(not module._after for module in net.modules())

    def test_inputs_as_arrays_shapes_and_with_a_dtype(self):
        net = nn.Sequential(nn.Embedding(7, 3), nn.Linear(3, 2))
        a = nn.summary(net, (5,), dtype="int64")
        b = nn.summary(net, np.zeros(5, np.int64))
        c = nn.summary(net, pb.tensor([0, 1, 2, 3, 4]))
        assert a == b == c and row(a, "0").parameters == 21 and a.input_bytes == 40

    def test_depth(self):
        net = nn.Sequential(nn.Sequential(nn.Linear(4, 4), nn.Sequential(nn.Linear(4, 3))), nn.ReLU())
        whole, folded, one = (nn.summary(net, (2, 4), depth=d) for d in (None, 1, 0))
        assert [r.path for r in folded.rows] == ["", "0", "1"] and [r.path for r in one.rows] == [""]
        assert row(folded, "0").parameters == 35 and row(one, "").flops == whole.flops == folded.flops
        assert len(whole.rows) == 6

    def test_what_is_wrong_is_said_as_the_model_says_it(self):
        net = nn.Sequential(nn.Linear(4, 8))
        with pytest.raises(ShapeError, match="in_features = 4"):
            nn.summary(net, (3, 5))
        assert all(not module._after for module in net.modules())
        with pytest.raises(TypeError, match="an input or its shape"):
            nn.summary(net)

    def test_a_mapping_without_a_count_is_named(self):
        class Own(nn.Module):
            def forward(self, x):
                return f(x)

        @pb.mapping
        def f(x):
            return np.sort(x)

        assert nn.summary(Own(), (3,)).uncounted == ("f",)
        assert "not counted f" in str(nn.summary(Own(), (3,)))
