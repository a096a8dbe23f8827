"""The perplexities are measured as the example says, and both models learn."""

import numpy as np
import pytest

from examples.__main__ import load
from pullback import nn
from pullback.data import load_text


@pytest.fixture(scope="module")
def example():
    return load("character_model")


def test_the_probabilities_of_the_n_gram_add_up_to_one(example):
    text = load_text()[:3000]
    letters = sorted(set(text))
    for order in (1, 3, 6):
        # The perplexity of one more character is 1/p of it.
        p = [1 / example.kneser_ney(text + letter, len(text), order) for letter in letters]
        assert sum(p) == pytest.approx(1)


def test_a_bigram_by_hand(example):
    # "abab": after b came a, once; in how many places: a after b, b after a: one each.
    low = 1 / 2 * 0.25 + 0.75 * 2 / 2 * 1 / 2  # p(a) = (1 − D)/2 + D·2/2 · 1/2
    assert 1 / example.kneser_ney("abab" + "a", 4, 2) == pytest.approx(0.25 + 0.75 * low)


class Known(nn.Module):
    """p(next = this) = 0.9, whatever came before: its perplexity can be counted."""

    def forward(self, tokens):
        return np.log(np.where(np.arange(4) == tokens[..., None], 0.9, 0.1 / 3))


@pytest.mark.parametrize("context", [None, 9, 33])
def test_each_held_out_character_counts_once(example, context):
    import pullback as pb

    class Model(Known):
        def forward(self, tokens):
            return pb.tensor(super().forward(tokens))

    tokens = np.random.default_rng(0).integers(0, 4, 203)
    same = tokens[100:] == tokens[99:-1]
    expected = np.exp(-np.mean(np.log(np.where(same, 0.9, 0.1 / 3))))
    assert example.perplexity(Model(), tokens, 100, context) == pytest.approx(expected)


def test_the_transformer_does_not_look_ahead(example):
    model = example.Transformer(10)
    model.eval()
    tokens = np.random.default_rng(0).integers(0, 10, (2, 32))
    other = tokens.copy()
    other[:, 20:] = 0
    np.testing.assert_allclose(model(tokens).numpy()[:, :20], model(other).numpy()[:, :20], atol=1e-6)
    assert np.abs(model(tokens).numpy()[:, 20:] - model(other).numpy()[:, 20:]).max() > 1e-3


def test_both_learn(example, capsys):
    figures = example.main(quick=True)
    for name in ("LSTM", "Transformer"):
        assert 3 < figures[f"perplexity, {name}"] < 14  # 55 characters; 19 for who knows how often each occurs
    assert figures["perplexity, trigram"] == pytest.approx(5.592, abs=0.001)
    assert "it writes: The bell" in capsys.readouterr().out
