"""Transformers: encoder and decoder layers of attention and feed-forward networks, each with a shortcut around it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import mappings as m
from ..core.errors import ShapeError
from ..core.spec import default_dtype, shape_of
from . import init
from .attention import MultiheadAttention
from .cells import positive
from .containers import ModuleList
from .dropout import Dropout
from .layernorm import LayerNorm
from .linear import Linear
from .module import Module

__all__ = [
    "Transformer",
    "TransformerDecoder",
    "TransformerDecoderLayer",
    "TransformerEncoder",
    "TransformerEncoderLayer",
]

Activation = str | Callable[[Any], Any]


class _Layer(Module):
    """What encoder and decoder layers share: a feed-forward network, and the choice of where to normalise."""

    attentions: tuple[str, ...]
    self_attn: MultiheadAttention
    multihead_attn: MultiheadAttention
    norm1: LayerNorm
    norm2: LayerNorm
    norm3: LayerNorm
    dropout1: Dropout
    dropout2: Dropout
    dropout3: Dropout

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        positive(name, d_model=d_model, dim_feedforward=dim_feedforward)
        if not callable(activation) and activation not in ("relu", "gelu"):
            raise ValueError(f"{name}: expected activation 'relu', 'gelu' or a function, got {activation!r}")
        self.activation = activation
        for part in self.attentions:
            attention = MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first, dtype=dtype)
            setattr(self, part, attention)
        self.linear1 = Linear(d_model, dim_feedforward, bias, dtype)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias, dtype)
        self.norm_first = norm_first
        parts = range(1, len(self.attentions) + 2)  # and the network
        for i in parts:
            setattr(self, f"norm{i}", LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype))
        for i in parts:
            setattr(self, f"dropout{i}", Dropout(dropout))

    def _activate(self, x: Any) -> Any:
        if callable(self.activation):
            return self.activation(x)
        return m.relu(x) if self.activation == "relu" else m.gelu(x)

    def _feed_forward(self, x: Any) -> Any:
        return self.linear2(self.dropout(self._activate(self.linear1(x))))

    def _around(self, x: Any, part: Callable[[Any], Any], norm: Module, drop: Module) -> Any:
        """x + part(norm(x)) with `norm_first`, else norm(x + part(x))."""
        if self.norm_first:
            return m.add(x, drop(part(norm(x))))
        return norm(m.add(x, drop(part(x))))


class TransformerEncoderLayer(_Layer):
    """Self-attention and a feed-forward network, each with a shortcut and a LayerNorm (Vaswani et al., 2017).

    src: (S, N, d_model), or (N, S, d_model) with `batch_first`, or (S, d_model); the result has the same
    shape. The network is linear1 (to `dim_feedforward`), `activation` ("relu", "gelu" or a function) and
    linear2. `norm_first`: normalise before each part instead of behind its shortcut. Masks are those of
    `MultiheadAttention`. Raises ShapeError for another src.

    >>> import pullback as pb
    >>> layer = pb.nn.TransformerEncoderLayer(8, nhead=2, dim_feedforward=16, batch_first=True)
    >>> layer(pb.zeros((3, 5, 8)), is_causal=True).shape
    (3, 5, 8)
    """

    attentions = ("self_attn",)

    def forward(self, src: Any, src_mask: Any = None, src_key_padding_mask: Any = None, is_causal: bool = False) -> Any:
        """Return the encoded `src`."""

        def attention(x: Any) -> Any:
            return self.self_attn(x, x, x, src_key_padding_mask, False, src_mask, is_causal=is_causal)[0]

        x = self._around(src, attention, self.norm1, self.dropout1)
        return self._around(x, self._feed_forward, self.norm2, self.dropout2)


class TransformerDecoderLayer(_Layer):
    """Self-attention, attention to the encoder's output, and a feed-forward network (Vaswani et al., 2017).

    tgt: (T, N, d_model); memory: (S, N, d_model); the result is shaped as tgt; otherwise as
    `TransformerEncoderLayer`.

    >>> import pullback as pb
    >>> layer = pb.nn.TransformerDecoderLayer(8, nhead=2, dim_feedforward=16)
    >>> layer(pb.zeros((4, 3, 8)), pb.zeros((5, 3, 8)), tgt_is_causal=True).shape
    (4, 3, 8)
    """

    attentions = ("self_attn", "multihead_attn")

    def forward(
        self,
        tgt: Any,
        memory: Any,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Any:
        """Return the decoded `tgt`."""

        def own(x: Any) -> Any:
            return self.self_attn(x, x, x, tgt_key_padding_mask, False, tgt_mask, is_causal=tgt_is_causal)[0]

        def to_memory(x: Any) -> Any:
            return self.multihead_attn(
                x, memory, memory, memory_key_padding_mask, False, memory_mask, is_causal=memory_is_causal
            )[0]

        x = self._around(tgt, own, self.norm1, self.dropout1)
        x = self._around(x, to_memory, self.norm2, self.dropout2)
        return self._around(x, self._feed_forward, self.norm3, self.dropout3)


class TransformerEncoder(Module):
    """`num_layers` copies of an encoder layer one after the other, and `norm` behind them, if it is given.

    >>> import pullback as pb
    >>> layer = pb.nn.TransformerEncoderLayer(8, nhead=2, dim_feedforward=16)
    >>> pb.nn.TransformerEncoder(layer, num_layers=2)(pb.zeros((5, 3, 8))).shape
    (5, 3, 8)
    """

    def __init__(self, encoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__()
        positive("TransformerEncoder", num_layers=num_layers)
        self.layers = ModuleList([copy.deepcopy(encoder_layer) for _ in range(num_layers)])
        self.num_layers = num_layers
        self.norm = norm

    def forward(self, src: Any, mask: Any = None, src_key_padding_mask: Any = None, is_causal: bool = False) -> Any:
        """Return the encoded `src`."""
        for layer in self.layers:
            src = layer(src, mask, src_key_padding_mask, is_causal)
        return src if self.norm is None else self.norm(src)


class TransformerDecoder(Module):
    """`num_layers` copies of a decoder layer one after the other, and `norm` behind them, if it is given.

    >>> import pullback as pb
    >>> layer = pb.nn.TransformerDecoderLayer(8, nhead=2, dim_feedforward=16)
    >>> pb.nn.TransformerDecoder(layer, num_layers=2)(pb.zeros((4, 3, 8)), pb.zeros((5, 3, 8))).shape
    (4, 3, 8)
    """

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__()
        positive("TransformerDecoder", num_layers=num_layers)
        self.layers = ModuleList([copy.deepcopy(decoder_layer) for _ in range(num_layers)])
        self.num_layers = num_layers
        self.norm = norm

    def forward(
        self,
        tgt: Any,
        memory: Any,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Any:
        """Return the decoded `tgt`."""
        masks = (tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask)
        for layer in self.layers:
            tgt = layer(tgt, memory, *masks, tgt_is_causal, memory_is_causal)
        return tgt if self.norm is None else self.norm(tgt)


class Transformer(Module):
    """An encoder and a decoder that looks at what the encoder made (Vaswani et al., NeurIPS 2017).

    src: (S, N, d_model); tgt: (T, N, d_model); with `batch_first` N comes first; the result is shaped as tgt.
    Matrices start with Glorot's uniform values. Raises ShapeError when src and tgt do not fit.

    >>> import pullback as pb
    >>> net = pb.nn.Transformer(8, 2, num_encoder_layers=1, num_decoder_layers=1, dim_feedforward=16)
    >>> net(pb.zeros((5, 3, 8)), pb.zeros((4, 3, 8)), tgt_is_causal=True).shape
    (4, 3, 8)
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        settings = (dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias, dtype)

        def last() -> LayerNorm:
            return LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)

        self.encoder = TransformerEncoder(
            TransformerEncoderLayer(d_model, nhead, *settings), num_encoder_layers, last()
        )
        self.decoder = TransformerDecoder(
            TransformerDecoderLayer(d_model, nhead, *settings), num_decoder_layers, last()
        )
        self.d_model = d_model
        self.nhead = nhead
        self.batch_first = batch_first
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new starting values for the matrices."""
        for parameter in self.parameters():
            if parameter.ndim > 1:
                init.xavier_uniform_(parameter)

    def forward(
        self,
        src: Any,
        tgt: Any,
        src_mask: Any = None,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        src_key_padding_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        src_is_causal: bool = False,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Any:
        """Return `tgt` decoded with what the encoder made of `src`."""
        of_src, of_tgt = shape_of(src), shape_of(tgt)
        batch = 0 if self.batch_first else 1
        if len(of_src) != len(of_tgt) or (len(of_src) == 3 and of_src[batch] != of_tgt[batch]):
            raise ShapeError(f"Transformer: expected src and tgt of one batch, got src {of_src} and tgt {of_tgt}")
        memory = self.encoder(src, src_mask, src_key_padding_mask, src_is_causal)
        masks = (tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask)
        return self.decoder(tgt, memory, *masks, tgt_is_causal, memory_is_causal)

    @staticmethod
    def generate_square_subsequent_mask(sz: int, dtype: Any = None) -> Any:
        """Return the (sz, sz) mask of causal attention: −inf above the diagonal, 0 elsewhere.

        >>> import pullback as pb
        >>> pb.nn.Transformer.generate_square_subsequent_mask(2).tolist()
        [[0.0, -inf], [0.0, 0.0]]
        """
        dtype = default_dtype() if dtype is None else np.dtype(dtype)
        return np.where(np.tri(sz, dtype=bool), dtype.type(0), dtype.type(-np.inf))
