"""Recurrent layers beside PyTorch's, whose gates come in another order."""

import numpy as np
import pytest

import pullback as pb
from pullback import keras
from pullback.keras import layers

torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
rng = np.random.default_rng(0)
x = rng.standard_normal((3, 5, 2))


@pytest.fixture(autouse=True)
def doubles():
    before = pb.default_dtype()
    pb.set_default_dtype(np.float64)
    pb.random.manual_seed(0)
    yield
    pb.set_default_dtype(before)


def same_weights(layer, reference, order):
    """Put random weights into the layer and, gate by gate in PyTorch's order, into the reference."""
    layer(x)
    layer.set_weights([rng.standard_normal(w.shape) * 0.5 for w in layer.get_weights()])
    kernel, recurrent, bias = layer.get_weights()
    biases = bias if bias.ndim == 2 else np.stack([bias, np.zeros_like(bias)])
    units = layer.units

    def gates(w):
        return np.concatenate([w[..., k * units : (k + 1) * units] for k in order], axis=-1)

    with torch.no_grad():
        reference.weight_ih_l0.copy_(torch.from_numpy(gates(kernel).T.copy()))
        reference.weight_hh_l0.copy_(torch.from_numpy(gates(recurrent).T.copy()))
        reference.bias_ih_l0.copy_(torch.from_numpy(gates(biases[0])))
        reference.bias_hh_l0.copy_(torch.from_numpy(gates(biases[1])))


KINDS = [
    (layers.LSTM, torch.nn.LSTM, (0, 1, 2, 3)),
    (layers.GRU, torch.nn.GRU, (1, 0, 2)),  # Keras: z, r, h; PyTorch: r, z, n
    (layers.SimpleRNN, torch.nn.RNN, (0,)),
]


@pytest.mark.parametrize(("kind", "reference", "order"), KINDS)
def test_values_states_and_gradients(kind, reference, order):
    layer = kind(4, return_sequences=True, return_state=True)
    theirs = reference(2, 4, batch_first=True, dtype=torch.float64)
    same_weights(layer, theirs, order)
    sequence, *states = layer(x)
    given = torch.from_numpy(x).requires_grad_()
    wanted, last = theirs(given)
    np.testing.assert_allclose(sequence.numpy(), wanted.detach().numpy(), rtol=1e-11)
    for own, right in zip(states, last if isinstance(last, tuple) else (last,), strict=True):
        np.testing.assert_allclose(own.numpy(), right[0].detach().numpy(), rtol=1e-11)
    ours = pb.tensor(x, requires_grad=True)
    pb.sum(layer(ours)[0] ** 2).backward()
    (wanted**2).sum().backward()
    np.testing.assert_allclose(ours.grad.numpy(), given.grad.numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("kind", "reference", "order"), KINDS)
@pytest.mark.parametrize("sequences", [True, False])
def test_bidirectional_is_both_directions(kind, reference, order, sequences):
    both = layers.Bidirectional(kind(4, return_sequences=sequences))
    found = both(x).numpy()
    there, back = both.forward_layer(x).numpy(), both.backward_layer(x).numpy()
    again = kind(4, return_sequences=sequences)
    again(x)
    again.set_weights(both.backward_layer.get_weights())
    turned = again(x[:, ::-1].copy()).numpy()
    np.testing.assert_allclose(back, turned, rtol=1e-12)
    np.testing.assert_allclose(found, np.concatenate([there, turned[:, ::-1] if sequences else turned], -1), rtol=1e-12)


def test_states_that_are_handed_on():
    layer = layers.LSTM(4, return_state=True)
    whole, _, c = layer(x)
    _, *states = layer(x[:, :2])
    rest, _, c_rest = layer(x[:, 2:], initial_state=states)
    np.testing.assert_allclose(rest.numpy(), whole.numpy(), rtol=1e-12)
    np.testing.assert_allclose(c_rest.numpy(), c.numpy(), rtol=1e-12)


def test_in_a_functional_model_with_states():
    a, b = keras.Input((5, 2)), keras.Input((3, 2))
    _, *states = layers.LSTM(4, return_state=True)(a)
    y = layers.TimeDistributed(layers.Dense(2))(layers.LSTM(4, return_sequences=True)(b, initial_state=states))
    model = keras.Model([a, b], y)
    assert y.shape == (None, 3, 2) and model.predict([x, x[:, :3]], verbose=0).shape == (3, 3, 2)


def test_wrong_use():
    with pytest.raises(TypeError, match="a recurrent layer"):
        layers.Bidirectional(layers.Dense(2))
    with pytest.raises(ValueError, match="merge_mode"):
        layers.Bidirectional(layers.LSTM(2), merge_mode="max")
    with pytest.raises(ValueError, match="expected 2 of them"):
        layers.LSTM(2)(x, initial_state=[x[:, 0]])
