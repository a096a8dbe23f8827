"""add_module: what PyTorch's does, and what it refuses."""

import numpy as np
import pytest

import pullback as pb
from pullback import nn


class Own(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(np.ones(3))
        self.later = None
        self.count = 3


def test_a_module_under_a_name_is_as_if_it_had_been_assigned():
    net = Own()
    net.add_module("layer", nn.Linear(3, 2))
    assert [name for name, _ in net.named_parameters()] == ["weight", "layer.weight", "layer.bias"]
    assert net.layer(pb.zeros((1, 3))).shape == (1, 2)
    assert {"layer.weight", "layer.bias"} <= set(net.state_dict())
    net.eval()
    assert not net.layer.training


def test_a_module_may_take_the_place_of_another_and_of_none():
    net = Own()
    net.add_module("later", nn.Tanh())
    net.add_module("later", nn.ReLU())
    assert isinstance(net.later, nn.ReLU)
    net.register_module("later", None)
    assert net.later is None and list(net.children()) == []


def test_layers_added_to_a_sequence_run_in_their_order():
    net, x = nn.Sequential(), pb.tensor(np.linspace(-1, 1, 5))
    net.add_module("0", nn.Tanh())
    net.add_module("half", nn.ReLU())
    np.testing.assert_array_equal(net(x).numpy(), np.maximum(np.tanh(x.numpy()), 0))
    assert len(net) == 2 and [name for name, _ in net.named_children()] == ["0", "half"]


REFUSED = [
    ("a.b", nn.Tanh(), KeyError), ("", nn.Tanh(), KeyError), ("weight", nn.Tanh(), KeyError), (3, nn.Tanh(), TypeError),
    ("count", nn.Tanh(), KeyError), ("forward", nn.Tanh(), KeyError), ("layer", "nn.Tanh", TypeError),
    ("layer", nn.Tanh, TypeError), ("training", nn.Tanh(), KeyError), (None, nn.Tanh(), TypeError),
]  # fmt: skip


@pytest.mark.parametrize(("name", "module", "error"), REFUSED)
def test_what_pytorch_refuses_is_refused_and_nothing_changes(name, module, error):
    net = Own()
    before = dict(vars(net))
    with pytest.raises(error, match="Own.add_module: "):
        net.add_module(name, module)
    assert dict(vars(net)) == before


@pytest.mark.parametrize(("name", "module", "error"), REFUSED)
def test_pytorch_refuses_the_same(name, module, error):
    torch = pytest.importorskip("torch")

    class Other(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(3))
            self.count = 3

    if isinstance(module, nn.Module):
        module = torch.nn.Tanh()
    with pytest.raises(error):
        Other().add_module(name, module)
