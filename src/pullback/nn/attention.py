"""Attention: weighted means of values, the weights being how well queries and keys agree."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import mappings as m
from ..core.errors import DtypeError, ShapeError
from ..core.spec import default_dtype, dtype_of, ndim_of, operand, shape_of
from . import init
from .cells import positive
from .dropout import check_probability, dropout
from .linear import Linear
from .module import Module
from .parameter import Parameter

__all__ = ["MultiheadAttention"]

inf = float("inf")


def scaled_dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Any:
    """Return softmax(scale · q kᵀ + mask) v, with scale = 1/√E unless it is given.

    query: (…, L, E); key: (…, S, E); value: (…, S, V); result: (…, L, V). `attn_mask` broadcasts to
    (…, L, S): booleans say which keys a query may look at, numbers are added. `is_causal`: query i looks at
    keys 0, …, i. A query that may look at nothing gets 0. With `enable_gqa` the axis −3 (heads) of key and
    value may be shorter, by a whole factor. `dropout_p` drops weights, always: pass 0 in evaluation
    (Vaswani et al., NeurIPS 2017). Raises ShapeError when the shapes do not fit together.

    >>> import numpy as np, pullback as pb
    >>> q = np.zeros((2, 1)); v = np.array([[1.0], [3.0]])
    >>> pb.nn.functional.scaled_dot_product_attention(q, q, v, is_causal=True).tolist()
    [[1.0], [2.0]]
    """
    return attend(query, key, value, attn_mask, dropout_p, is_causal, scale, enable_gqa)[0]


def attend(
    q: Any,
    k: Any,
    v: Any,
    mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> tuple[Any, Any]:
    """Return what `scaled_dot_product_attention` does, and the weights, (…, L, S), after the dropout."""
    q, k, v = operand(q), operand(k), operand(v)
    if enable_gqa:
        k, v = (_for_every_query(q, x, name) for x, name in ((k, "key"), (v, "value")))
    of_q, of_k, of_v = shape_of(q), shape_of(k), shape_of(v)
    if (
        min(len(of_q), len(of_k), len(of_v)) < 2
        or of_q[-1] != of_k[-1]
        or of_k[-2] != of_v[-2]
        or not of_q[:-2] == of_k[:-2] == of_v[:-2]
    ):
        raise ShapeError(
            f"scaled_dot_product_attention: expected query (…, L, E), key (…, S, E) and value (…, S, V), got query "
            f"{of_q}, key {of_k}, value {of_v}"
        )
    check_probability("scaled_dot_product_attention", dropout_p)
    scores = m.matmul(m.multiply(q, 1 / math.sqrt(of_q[-1]) if scale is None else scale), m.matrix_transpose(k))
    queries, keys = of_q[-2], of_k[-2]
    seen = None
    if mask is not None:
        mask = operand(mask)
        _check_mask(mask, shape_of(scores))
        if dtype_of(mask).kind == "b":
            if is_causal:
                mask = m.logical_and(mask, _causal(queries, keys))
            seen = m.any(mask, axis=-1, keepdims=True)
            scores = m.where(m.logical_or(mask, m.logical_not(seen)), scores, -inf)
        else:
            if is_causal:
                mask = m.where(_causal(queries, keys), mask, -inf)
            seen = m.any(m.greater(mask, -inf), axis=-1, keepdims=True)
            scores = m.add(scores, m.where(seen, mask, 0))
    elif is_causal:
        scores = m.where(_causal(queries, keys), scores, -inf)
    weights = m.softmax(scores, axis=-1)
    if seen is not None:
        weights = m.where(seen, weights, 0)
    weights = dropout(weights, dropout_p)
    return m.matmul(weights, v), weights


def _causal(queries: int, keys: int) -> Any:
    return np.tri(queries, keys, dtype=bool)


def _for_every_query(q: Any, x: Any, name: str) -> Any:
    """Repeat the heads of keys or values until there is one for every head of the queries."""
    shape, heads = shape_of(x), shape_of(q)[-3] if ndim_of(q) > 2 else 0
    if len(shape) < 3 or not shape[-3] or not heads or heads % shape[-3]:
        raise ShapeError(
            f"scaled_dot_product_attention: with enable_gqa the heads (axis −3) of query must be a multiple of those "
            f"of {name}, got query {shape_of(q)}, {name} {shape}"
        )
    return x if heads == shape[-3] else m.repeat(x, heads // shape[-3], axis=len(shape) - 3)


def _check_mask(mask: Any, scores: tuple[int, ...]) -> None:
    have = shape_of(mask)
    if dtype_of(mask).kind not in "bf":
        raise DtypeError(
            f"scaled_dot_product_attention: expected a boolean or floating attn_mask, got {dtype_of(mask)}"
        )
    try:
        fits = np.broadcast_shapes(have, scores) == scores
    except ValueError:
        fits = False
    if not fits:
        raise ShapeError(
            f"scaled_dot_product_attention: expected attn_mask to broadcast to (…, L, S) = {scores}, got {have}"
        )


def _never_hidden(mask: Any, is_causal: bool, queries: int, keys: int, more: int) -> Any:
    """Return the mask for `more` further keys, which every query looks at; None where it looks at all."""
    if is_causal:
        causal = _causal(queries, keys)
        numbers = mask is not None and dtype_of(mask).kind != "b"
        mask = causal if mask is None else m.where(causal, mask, -inf) if numbers else m.logical_and(mask, causal)
    if mask is None:
        return None
    seen = np.ones if dtype_of(mask).kind == "b" else np.zeros
    return m.concat([mask, seen((*shape_of(mask)[:-1], more), dtype_of(mask))], axis=-1)


class MultiheadAttention(Module):
    """Attention in `num_heads` subspaces: queries, keys and values are projected, attended, joined and projected.

    query: (L, N, embed_dim), key: (S, N, kdim), value: (S, N, vdim); with `batch_first` the axes L, S and N
    change places; without N: a single example. Returns the result, shaped as the query, and the weights:
    (N, L, S), the mean over the heads, or (N, num_heads, L, S) without `average_attn_weights`, or None
    without `need_weights`.

    `key_padding_mask` (N, S) and `attn_mask` (L, S) or (N·num_heads, L, S): booleans say what is *not* looked
    at, numbers are added to the scores. `is_causal`: query i looks at keys 0, …, i only. A query that may
    look at nothing gets weights 0 (PyTorch: 0 or NaN, depending on `need_weights`). `add_bias_kv` appends a
    learnt key and value, `bias_k` and `bias_v` (1, 1, embed_dim), to every sequence, and `add_zero_attn` a key
    and value of zeros; no mask hides them, and S in the weights counts them.

    Parameters: `in_proj_weight` (3·embed_dim, embed_dim), or `q_proj_weight`, `k_proj_weight`,
    `v_proj_weight` when `kdim` or `vdim` differ; `in_proj_bias`, `out_proj.weight`, `out_proj.bias`
    (Vaswani et al., NeurIPS 2017). Raises ShapeError for other shapes, ValueError unless embed_dim is a
    multiple of num_heads.

    >>> import pullback as pb
    >>> x = pb.zeros((5, 2, 8))
    >>> y, weights = pb.nn.MultiheadAttention(8, 2)(x, x, x, is_causal=True)
    >>> y.shape, weights.shape
    ((5, 2, 8), (2, 5, 5))
    """

    in_proj_bias: Parameter | None
    bias_k: Parameter | None
    bias_v: Parameter | None

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        kdim = embed_dim if kdim is None else kdim
        vdim = embed_dim if vdim is None else vdim
        positive("MultiheadAttention", embed_dim=embed_dim, num_heads=num_heads, kdim=kdim, vdim=vdim)
        check_probability("MultiheadAttention", dropout)
        if embed_dim % num_heads:
            raise ValueError(
                f"MultiheadAttention: expected embed_dim to be a multiple of num_heads, got {embed_dim} and {num_heads}"
            )
        self.embed_dim = embed_dim
        self.num_heads = num_heads
        self.head_dim = embed_dim // num_heads
        self.kdim = kdim
        self.vdim = vdim
        self.dropout = dropout
        self.batch_first = batch_first
        dtype = default_dtype() if dtype is None else np.dtype(dtype)
        if kdim == vdim == embed_dim:
            self.in_proj_weight = Parameter(np.empty((3 * embed_dim, embed_dim), dtype))
        else:
            self.q_proj_weight = Parameter(np.empty((embed_dim, embed_dim), dtype))
            self.k_proj_weight = Parameter(np.empty((embed_dim, kdim), dtype))
            self.v_proj_weight = Parameter(np.empty((embed_dim, vdim), dtype))
        self.in_proj_bias = Parameter(np.empty(3 * embed_dim, dtype)) if bias else None
        self.bias_k = Parameter(np.empty((1, 1, embed_dim), dtype)) if add_bias_kv else None
        self.bias_v = Parameter(np.empty((1, 1, embed_dim), dtype)) if add_bias_kv else None
        self.add_zero_attn = add_zero_attn
        self.out_proj = Linear(embed_dim, embed_dim, bias, dtype)
        self.reset_parameters()

    @property
    def _joined(self) -> bool:
        return self.kdim == self.vdim == self.embed_dim

    def reset_parameters(self) -> None:
        """Draw new starting values: Glorot's for the projections, biases 0."""
        for name in ("in_proj_weight",) if self._joined else ("q_proj_weight", "k_proj_weight", "v_proj_weight"):
            init.xavier_uniform_(getattr(self, name))
        self.out_proj.reset_parameters()
        if self.in_proj_bias is not None and self.out_proj.bias is not None:
            init.zeros_(self.in_proj_bias)
            init.zeros_(self.out_proj.bias)
        for added in (self.bias_k, self.bias_v):
            if added is not None:
                init.xavier_normal_(added)

    def forward(
        self,
        query: Any,
        key: Any,
        value: Any,
        key_padding_mask: Any = None,
        need_weights: bool = True,
        attn_mask: Any = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Any, Any]:
        """Return the result, and the weights or None."""
        same = query is key and key is value
        alone = len(shape_of(query)) == 2
        self._check(query, key, value)
        inputs = [operand(query)] if same else [operand(query), operand(key), operand(value)]
        if alone:
            inputs = [m.reshape(x, (1, *shape_of(x))) for x in inputs]
        elif not self.batch_first:
            inputs = [m.permute_dims(x, (1, 0, 2)) for x in inputs]
        q, k, v = self._projected(inputs)
        size, _, length, _ = shape_of(q)
        keys = shape_of(k)[2]
        mask = self._mask(key_padding_mask, attn_mask, size, length, keys, dtype_of(q), alone)
        k, v = self._with_more(k, self.bias_k), self._with_more(v, self.bias_v)
        if shape_of(k)[2] > keys:
            mask, is_causal = _never_hidden(mask, is_causal, length, keys, shape_of(k)[2] - keys), False
        y, weights = attend(q, k, v, mask, self.dropout if self.training else 0.0, is_causal)
        y = m.reshape(m.permute_dims(y, (0, 2, 1, 3)), (size, length, self.embed_dim))
        y = self.out_proj(y)
        if alone:
            y = m.reshape(y, (length, self.embed_dim))
        elif not self.batch_first:
            y = m.permute_dims(y, (1, 0, 2))
        if not need_weights:
            return y, None
        weights = m.mean(weights, axis=1) if average_attn_weights else weights
        return y, (m.reshape(weights, shape_of(weights)[1:]) if alone else weights)

    def _projected(self, inputs: list[Any]) -> tuple[Any, ...]:
        """Return queries, keys and values by head, (N, heads, length, head_dim)."""
        n = self.embed_dim
        if len(inputs) == 1 and self._joined:  # of one input all three in one product
            x = m.linear(inputs[0], self.in_proj_weight, self.in_proj_bias)
            size, length, _ = shape_of(x)
            x = m.reshape(x, (size, length, 3, self.num_heads, self.head_dim))
            return m.unstack(m.permute_dims(x, (2, 0, 3, 1, 4)), axis=0)
        inputs = inputs * 3 if len(inputs) == 1 else inputs
        if self._joined:
            weights = m.split(self.in_proj_weight, 3, axis=0)
        else:
            weights = [self.q_proj_weight, self.k_proj_weight, self.v_proj_weight]
        biases = [None] * 3 if self.in_proj_bias is None else m.split(self.in_proj_bias, 3, axis=0)
        heads = []
        for x, weight, bias in zip(inputs, weights, biases, strict=True):
            size, length, _ = shape_of(x)
            y = m.reshape(m.linear(x, weight, bias), (size, length, self.num_heads, n // self.num_heads))
            heads.append(m.permute_dims(y, (0, 2, 1, 3)))
        return tuple(heads)

    def _with_more(self, heads: Any, added: Any) -> Any:
        """Append to every sequence of keys or values the learnt one and zeros, as the settings say."""
        size, count, _, width = shape_of(heads)
        parts = [heads]
        if added is not None:
            parts.append(m.broadcast_to(m.reshape(added, (1, count, 1, width)), (size, count, 1, width)))
        if self.add_zero_attn:
            parts.append(np.zeros((size, count, 1, width), dtype_of(heads)))
        return heads if len(parts) == 1 else m.concat(parts, axis=2)

    def _check(self, query: Any, key: Any, value: Any) -> None:
        of_q, of_k, of_v = shape_of(query), shape_of(key), shape_of(value)
        rank, batch = len(of_q), 0 if self.batch_first else 1
        layout = "" if rank == 2 else "N, L, " if self.batch_first else "L, N, "
        if rank not in (2, 3) or of_q[-1] != self.embed_dim:
            layout = layout or "L, N, "
            raise ShapeError(
                f"{self!r}: expected query of shape ({layout}{self.embed_dim}) or (L, {self.embed_dim}), with "
                f"embed_dim = {self.embed_dim}, got {of_q}"
            )
        for name, have, want in (("key", of_k, self.kdim), ("value", of_v, self.vdim)):
            fits = len(have) == rank and have[-1] == want and (rank == 2 or have[batch] == of_q[batch])
            if not fits or have[:-1] != of_k[:-1]:
                shown = (layout or "L, ").replace("L", "S").replace("N", str(of_q[batch]))
                shown = f"({shown}{want})"
                raise ShapeError(
                    f"{self!r}: expected {name} of shape {shown} for query {of_q}, with S equal for key and value, got "
                    f"key {of_k} and value {of_v}"
                )

    def _mask(self, padding: Any, attention: Any, size: int, length: int, keys: int, dtype: Any, alone: bool) -> Any:
        """Join both masks into one for `attend`: booleans that say what is looked at, or numbers to add."""
        parts = []
        if padding is not None:
            padding = operand(padding)
            want = (keys,) if alone else (size, keys)
            if shape_of(padding) != want:
                raise ShapeError(f"{self!r}: expected key_padding_mask of shape {want}, got {shape_of(padding)}")
            parts.append(m.reshape(padding, (size, 1, 1, keys)))
        if attention is not None:
            attention = operand(attention)
            have, each = shape_of(attention), (size * self.num_heads, length, keys)
            if have not in ((length, keys), each):
                raise ShapeError(f"{self!r}: expected attn_mask of shape {(length, keys)} or {each}, got {have}")
            parts.append(attention if len(have) == 2 else m.reshape(attention, (size, self.num_heads, length, keys)))
        for name, part in zip(("key_padding_mask", "attn_mask"), (padding, attention), strict=True):
            if part is not None and dtype_of(part).kind not in "bf":
                raise DtypeError(f"{self!r}: expected a boolean or floating {name}, got {dtype_of(part)}")
        if not parts:
            return None
        if all(dtype_of(part).kind == "b" for part in parts):
            return m.logical_not(parts[0] if len(parts) == 1 else m.logical_or(*parts))
        zero = np.zeros((), dtype)[()]
        parts = [m.where(part, -inf, zero) if dtype_of(part).kind == "b" else part for part in parts]
        return parts[0] if len(parts) == 1 else m.add(*parts)

    def extra_repr(self) -> str:
        """The sizes and what differs from the defaults."""
        parts = [f"embed_dim={self.embed_dim}, num_heads={self.num_heads}"]
        parts += [f"dropout={self.dropout}"] if self.dropout else []
        parts += ["add_bias_kv=True"] if self.bias_k is not None else []
        parts += ["add_zero_attn=True"] if self.add_zero_attn else []
        parts += [f"kdim={self.kdim}, vdim={self.vdim}"] if not self._joined else []
        parts += ["batch_first=True"] if self.batch_first else []
        return ", ".join(parts)
