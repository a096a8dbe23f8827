"""Attention, positions and transformers against PyTorch; the laws of every layer; masks; wrong use."""

import numpy as np
import pytest

import pullback as pb
from pullback import nn
from pullback.core.errors import DtypeError, ShapeError
from pullback.nn import functional as F

# PyTorch warns of masks of two kinds, which it converts, and of a quicker kind of tensor, which is not used.
pytestmark = pytest.mark.filterwarnings("ignore:(Support for mismatched|enable_nested_tensor is True):UserWarning")

rng = np.random.default_rng(4)
L, S, N, E = 3, 4, 2, 6
Q, K, V = rng.normal(size=(L, N, E)), rng.normal(size=(S, N, E)), rng.normal(size=(S, N, E))
PADDING = np.array([[False, False, False, True], [False, True, False, False]])
BLOCKED = np.array([[False, True, False, False], [False, False, False, True], [True, False, False, False]])
ADDED = rng.normal(size=(L, S))
CAUSAL = ~np.tri(L, dtype=bool)


class TestScaledDotProductAttention:
    @pytest.mark.parametrize(
        ("options", "shapes"),
        [
            ({}, ((2, 3, 4, 5), (2, 3, 6, 5), (2, 3, 6, 7))),
            ({"is_causal": True}, ((2, 4, 5), (2, 4, 5), (2, 4, 3))),
            ({"scale": 0.3}, ((4, 5), (6, 5), (6, 3))),
            ({"attn_mask": rng.normal(size=(4, 6))}, ((2, 4, 5), (2, 6, 5), (2, 6, 3))),
            ({"attn_mask": rng.random((2, 1, 6)) < 0.7}, ((2, 4, 5), (2, 6, 5), (2, 6, 3))),
            ({"attn_mask": np.arange(4)[:, None] * [1, 1, 0, 1, 1, 1] > 1}, ((2, 4, 5), (2, 6, 5), (2, 6, 3))),
            ({"enable_gqa": True}, ((2, 4, 3, 5), (2, 2, 6, 5), (2, 2, 6, 5))),
        ],
    )
    def test_it_is_that_of_pytorch(self, like_torch, agreement, options, shapes):
        import torch  # on one thread, thanks to like_torch

        arrays = [rng.normal(size=s) for s in shapes]
        mine = [pb.tensor(x, requires_grad=True) for x in arrays]
        other = [torch.tensor(x, requires_grad=True) for x in arrays]
        theirs = {k: torch.tensor(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}
        have = F.scaled_dot_product_attention(*mine, **options)
        want = torch.nn.functional.scaled_dot_product_attention(*other, **theirs)
        agreement.compare("layer", "scaled_dot_product_attention", "value", have, want)
        g = rng.normal(size=have.shape)
        have.backward(g)
        want.backward(torch.tensor(g))
        for a, b in zip(mine, other, strict=True):
            agreement.compare("layer", "scaled_dot_product_attention", "gradient", a.grad, b.grad)

    def test_a_query_that_may_look_at_nothing_gets_zero_and_no_gradient(self):
        mask = np.array([[True, False], [False, False]])
        for m in (mask, np.where(mask, 0.0, -np.inf)):
            q = pb.tensor(rng.normal(size=(2, 3)), requires_grad=True)
            y = F.scaled_dot_product_attention(q, np.ones((2, 3)), np.ones((2, 1)), m)
            assert y.tolist() == [[1.0], [0.0]]
            y.sum().backward()
            assert not np.isnan(np.asarray(q.grad)).any() and not np.asarray(q.grad)[1].any()

    def test_dropout_drops_weights(self):
        pb.random.manual_seed(0)
        x = np.ones((50, 4))
        y = np.asarray(F.scaled_dot_product_attention(x, x, np.eye(50), dropout_p=0.5))
        assert set(np.round(np.unique(y), 12)) == {0.0, 0.04}
        assert (y == 0).mean() == pytest.approx(0.5, abs=0.05)

    @pytest.mark.parametrize(
        ("call", "error", "text"),
        [
            (lambda a: a(Q, K[..., :4], V), ShapeError, r"query \(…, L, E\).*\(4, 2, 4\)"),
            (lambda a: a(Q[:, 0], K[:, 0], V[:2, 0]), ShapeError, "value"),
            (lambda a: a(Q[0], Q[0], Q[0], np.ones((3, 2), bool)), ShapeError, r"\(2, 2\), got \(3, 2\)"),
            (lambda a: a(Q[0], Q[0], Q[0], np.ones((2, 2), np.int64)), DtypeError, "int64"),
            (lambda a: a(Q[0], Q[0], Q[0], dropout_p=2), ValueError, "probability"),
            (
                lambda a: a(np.ones((3, 2, 4)), np.ones((2, 2, 4)), np.ones((2, 2, 4)), enable_gqa=True),
                ShapeError,
                "multiple",
            ),
        ],
    )
    def test_wrong_use(self, call, error, text):
        with pytest.raises(error, match=text):
            call(F.scaled_dot_product_attention)


MASKS = [
    {},
    {"need_weights": False},
    {"key_padding_mask": PADDING},
    {"attn_mask": BLOCKED, "average_attn_weights": False},
    {"attn_mask": ADDED, "key_padding_mask": PADDING},
    {"attn_mask": np.stack([ADDED, -ADDED, ADDED * 2, ADDED + 1])},
]


class TestMultiheadAttention:
    @pytest.mark.parametrize("masks", MASKS, ids=lambda m: "-".join(m) or "none")
    @pytest.mark.parametrize("options", [{}, {"bias": False}])
    def test_it_is_that_of_pytorch(self, like_torch, masks, options):
        import torch

        theirs = {k: torch.tensor(v) if isinstance(v, np.ndarray) else v for k, v in masks.items()}
        ours = nn.MultiheadAttention(E, 2, **options)
        like_torch(ours, torch.nn.MultiheadAttention(E, 2, **options), [Q, K, V], masks, theirs)

    @pytest.mark.parametrize("masks", MASKS, ids=lambda m: "-".join(m) or "none")
    @pytest.mark.parametrize(
        "options",
        [{"add_bias_kv": True}, {"add_zero_attn": True}, {"add_bias_kv": True, "add_zero_attn": True, "bias": False}],
    )
    def test_further_keys_are_those_of_pytorch(self, like_torch, masks, options):
        import torch

        theirs = {k: torch.tensor(v) if isinstance(v, np.ndarray) else v for k, v in masks.items()}
        ours = nn.MultiheadAttention(E, 2, **options)
        like_torch(ours, torch.nn.MultiheadAttention(E, 2, **options), [Q, K, V], masks, theirs)

    @pytest.mark.parametrize("masks", [{}, {"key_padding_mask": PADDING[:, :L]}, {"attn_mask": ADDED[:, :L]}])
    def test_no_query_is_kept_from_the_further_keys(self, like_torch, masks):
        import torch

        future = np.triu(np.ones((L, L), bool), 1)
        theirs = {k: torch.tensor(v) for k, v in masks.items()}
        joined = np.where(future, -np.inf, masks["attn_mask"]) if "attn_mask" in masks else future
        theirs["attn_mask"] = torch.tensor(joined)
        options = {"add_bias_kv": True, "add_zero_attn": True}
        ours = nn.MultiheadAttention(E, 2, **options)
        other = torch.nn.MultiheadAttention(E, 2, **options)
        like_torch(ours, other, [Q, K[:L], V[:L]], {**masks, "is_causal": True}, theirs)

    def test_of_other_sizes_batch_first_and_of_a_single_example(self, like_torch):
        import torch

        options = {"kdim": 4, "vdim": 5, "batch_first": True}
        q, k, v = Q.swapaxes(0, 1).copy(), rng.normal(size=(N, S, 4)), rng.normal(size=(N, S, 5))
        like_torch(nn.MultiheadAttention(E, 3, **options), torch.nn.MultiheadAttention(E, 3, **options), [q, k, v])
        like_torch(nn.MultiheadAttention(E, 3), torch.nn.MultiheadAttention(E, 3), [Q[:, 0], K[:, 0], V[:, 0]])

    def test_attention_to_oneself_is_one_product_and_the_same(self):
        layer = nn.MultiheadAttention(E, 2).double()
        together, apart = layer(K, K, K), layer(K, K.copy(), K.copy())
        for a, b in zip(together, apart, strict=True):
            np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-12, atol=1e-14)

    def test_causal_attention_sees_no_future(self):
        layer = nn.MultiheadAttention(E, 2).double()
        y, weights = layer(K, K, K, is_causal=True)
        assert not np.triu(np.asarray(weights), 1).any()
        changed = K.copy()
        changed[2:] += 1
        np.testing.assert_array_equal(
            np.asarray(y)[:2], np.asarray(layer(changed, changed, changed, is_causal=True)[0])[:2]
        )
        np.testing.assert_allclose(np.asarray(weights).sum(-1), 1, rtol=1e-12)

    def test_laws(self, laws):
        laws(nn.MultiheadAttention(E, 2), Q, K, V)
        laws(nn.MultiheadAttention(E, 2, add_bias_kv=True, add_zero_attn=True), Q, K, V)
        laws(nn.MultiheadAttention(E, 2), Q, K, V, options={"key_padding_mask": PADDING, "attn_mask": ADDED})

    @pytest.mark.parametrize(
        ("call", "text"),
        [
            (
                lambda a: a(Q[..., :4], K, V),
                r"MultiheadAttention\(\n.*embed_dim=6.*query.*\(L, N, 6\).*got \(3, 2, 4\)",
            ),
            (lambda a: a(Q, K[..., :4], V), r"key of shape \(S, 2, 6\).*\(4, 2, 4\)"),
            (lambda a: a(Q, K, V[:3]), r"value of shape.*\(3, 2, 6\)"),
            (lambda a: a(Q, K[:, :1], V[:, :1]), r"key of shape \(S, 2, 6\)"),
            (lambda a: a(Q, K, V, PADDING[:, :3]), r"key_padding_mask of shape \(2, 4\), got \(2, 3\)"),
            (lambda a: a(Q, K, V, attn_mask=ADDED.T), r"attn_mask of shape \(3, 4\) or \(4, 3, 4\), got \(4, 3\)"),
        ],
    )
    def test_wrong_shapes(self, call, text):
        with pytest.raises(ShapeError, match=f"(?s){text}"):
            call(nn.MultiheadAttention(E, 2).double())

    def test_wrong_settings(self):
        with pytest.raises(ValueError, match="multiple of num_heads, got 6 and 4"):
            nn.MultiheadAttention(6, 4)
        with pytest.raises(ValueError, match="positive integer"):
            nn.MultiheadAttention(6, 0)
        with pytest.raises(DtypeError, match="attn_mask"):
            nn.MultiheadAttention(E, 2).double()(Q, K, V, attn_mask=np.zeros((L, S), np.int64))


class TestTransformer:
    @pytest.mark.parametrize("norm_first", [False, True])
    @pytest.mark.parametrize("activation", ["relu", "gelu"])
    def test_layers_are_those_of_pytorch(self, like_torch, norm_first, activation):
        import torch

        options = {"norm_first": norm_first, "activation": activation}
        make = lambda library, kind: getattr(library, f"Transformer{kind}Layer")(E, 2, 8, 0.0, **options)
        padding = np.zeros((N, L), bool)
        padding[1, 2] = True
        like_torch(
            make(nn, "Encoder"),
            make(torch.nn, "Encoder"),
            [Q],
            {"is_causal": True, "src_key_padding_mask": padding},
            {"src_mask": torch.tensor(CAUSAL), "src_key_padding_mask": torch.tensor(padding)},
        )
        like_torch(
            make(nn, "Decoder"),
            make(torch.nn, "Decoder"),
            [Q, K],
            {"tgt_is_causal": True, "memory_key_padding_mask": PADDING},
            {"tgt_mask": torch.tensor(CAUSAL), "memory_key_padding_mask": torch.tensor(PADDING)},
        )

    def test_the_whole_is_that_of_pytorch(self, like_torch):
        import torch

        mask = nn.Transformer.generate_square_subsequent_mask(L, "float64")
        np.testing.assert_array_equal(
            mask, torch.nn.Transformer.generate_square_subsequent_mask(L, dtype=torch.float64).numpy()
        )
        ours, theirs = (library.Transformer(E, 2, 2, 2, 8, 0.0, bias=False) for library in (nn, torch.nn))
        like_torch(ours, theirs, [K, Q], {"tgt_mask": mask}, {"tgt_mask": torch.tensor(mask)})

    @pytest.mark.parametrize("norm", [False, True])
    def test_the_stacks_are_those_of_pytorch(self, like_torch, norm):
        import torch

        def make(library, kind):
            layer = getattr(library, f"Transformer{kind}Layer")(E, 2, 8, 0.0, norm_first=norm)
            return getattr(library, f"Transformer{kind}")(layer, 2, library.LayerNorm(E) if norm else None)

        like_torch(make(nn, "Encoder"), make(torch.nn, "Encoder"), [Q])
        like_torch(make(nn, "Decoder"), make(torch.nn, "Decoder"), [Q, K])

    def test_the_layers_of_an_encoder_are_copies(self):
        layer = nn.TransformerEncoderLayer(E, 2, 8)
        encoder = nn.TransformerEncoder(layer, 2)
        assert len(list(encoder.parameters())) == 2 * len(list(layer.parameters()))
        assert encoder.layers[0].linear1.weight.tolist() == encoder.layers[1].linear1.weight.tolist()

    def test_dropout_acts_in_training_only(self):
        pb.random.manual_seed(0)
        layer = nn.TransformerEncoderLayer(E, 2, 8, dropout=0.5).double()
        a, b = np.asarray(layer(Q)), np.asarray(layer(Q))
        assert not np.array_equal(a, b)
        layer.eval()
        np.testing.assert_array_equal(np.asarray(layer(Q)), np.asarray(layer(Q)))

    def test_laws(self, laws):
        laws(nn.TransformerEncoderLayer(E, 2, 8, 0.0, nn.functional.gelu), Q[:, :1], options={"is_causal": True})
        laws(nn.TransformerDecoderLayer(E, 2, 8, 0.0, "gelu", norm_first=True), Q[:, :1], K[:, :1])

    def test_wrong_use(self):
        with pytest.raises(ValueError, match="activation 'relu', 'gelu' or a function"):
            nn.TransformerEncoderLayer(E, 2, activation="softmax")
        with pytest.raises(ShapeError, match="of one batch"):
            nn.Transformer(E, 2, 1, 1, 8).double()(Q, K[:, :1])


class TestPositions:
    def test_sinusoidal(self, agreement):
        layer = nn.SinusoidalPositionalEncoding(4, max_len=10, dtype="float64")
        y = np.asarray(layer(np.zeros((7, 2, 4))))
        t, i = np.meshgrid(np.arange(7), np.arange(4), indexing="ij")
        angle = t / 10000.0 ** (2 * (i // 2) / 4)
        want = np.where(i % 2 == 0, np.sin(angle), np.cos(angle))
        formula = {"reference": "its formula in NumPy"}
        agreement.compare(
            "layer", "SinusoidalPositionalEncoding", "value", y, np.repeat(want[:, None], 2, 1), **formula
        )
        first = nn.SinusoidalPositionalEncoding(4, max_len=10, batch_first=True, dtype="float64")
        np.testing.assert_array_equal(np.asarray(first(np.zeros((2, 7, 4)))), y.swapaxes(0, 1))
        assert list(layer.state_dict()) == [] and list(layer.parameters()) == []

    def test_rotary_turns_complex_numbers(self, agreement):
        x = rng.normal(size=(2, 3, 7, 6))
        y = np.asarray(nn.RotaryPositionalEmbedding(6, dtype="float64")(x, offset=2))
        angle = (np.arange(7) + 2)[:, None] / 10000.0 ** (np.arange(3) / 3)
        turned = (x[..., ::2] + 1j * x[..., 1::2]) * np.exp(1j * angle)
        for have, want in ((y[..., ::2], turned.real), (y[..., 1::2], turned.imag)):
            formula = {"reference": "its formula in NumPy"}
            agreement.compare("layer", "RotaryPositionalEmbedding", "value", have, want, **formula)

    def test_rotary_products_depend_on_the_distance_only(self):
        turn = nn.RotaryPositionalEmbedding(6, dtype="float64")
        q, k = np.tile(rng.normal(size=6), (9, 1)), np.tile(rng.normal(size=6), (9, 1))
        scores = np.asarray(turn(q)) @ np.asarray(turn(k)).T
        for distance in range(-8, 9):
            line = np.diagonal(scores, distance)
            np.testing.assert_allclose(line, line[0], rtol=1e-12)

    def test_laws(self, laws):
        laws(nn.SinusoidalPositionalEncoding(6), Q)
        laws(nn.RotaryPositionalEmbedding(6), Q)

    def test_wrong_use(self):
        with pytest.raises(ShapeError, match=r"T ≤ max_len = 3, got \(4, 2, 6\)"):
            nn.SinusoidalPositionalEncoding(E, max_len=3)(K)
        with pytest.raises(ShapeError, match=r"\(…, T, 4\)"):
            nn.RotaryPositionalEmbedding(4)(K)
        with pytest.raises(ValueError, match="even"):
            nn.RotaryPositionalEmbedding(5)
