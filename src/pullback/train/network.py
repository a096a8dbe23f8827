"""A network of linear layers from a description in plain data: what a saved run is rebuilt from."""

from __future__ import annotations

from typing import Any

from .. import nn

__all__ = ["ACTIVATIONS", "build_network"]

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
}
DTYPES = ("float32", "float64")
LARGEST_WIDTH = 1 << 20


def build_network(description: dict[str, Any]) -> nn.Sequential:
    """Linear layers with an activation, and dropout where it is wanted, after each but the last.

    ``description``: ``inputs``, ``hidden`` (a list of widths), ``outputs``, ``activation`` (a name in
    `ACTIVATIONS`), ``dropout`` (in [0, 1)) and ``dtype`` ("float32" or "float64"). Weights begin as He et
    al. (2015) say for relu, gelu and silu, and as Glorot and Bengio (2010) say for tanh and sigmoid; biases
    begin at 0.

    The description may come from a file that somebody else wrote: nothing in it is looked up or run
    except these names. Raises ValueError that names what is wrong with it.

    >>> build_network({"inputs": 4, "hidden": [8], "outputs": 3, "activation": "tanh", "dropout": 0.0,
    ...                "dtype": "float32"})
    Sequential(
      (0): Linear(in_features=4, out_features=8, bias=True)
      (1): Tanh()
      (2): Linear(in_features=8, out_features=3, bias=True)
    )
    """
    hidden = description.get("hidden")
    if not isinstance(hidden, list):
        raise ValueError(f"network: hidden: expected a list of widths, got {hidden!r}")
    widths = [_width(n, "hidden") for n in hidden]
    inputs, outputs = (_width(description.get(name), name) for name in ("inputs", "outputs"))
    activation = _one_of(ACTIVATIONS, description.get("activation"), "activation")
    dtype = _one_of(DTYPES, description.get("dtype"), "dtype")
    dropout = description.get("dropout")
    if isinstance(dropout, bool) or not isinstance(dropout, (int, float)) or not 0 <= dropout < 1:
        raise ValueError(f"network: dropout: expected a number in [0, 1), got {dropout!r}")
    layers: list[nn.Module] = []
    for wide, narrow in zip([inputs, *widths], widths, strict=False):
        layers += [_linear(wide, narrow, activation, dtype), ACTIVATIONS[activation]()]
        if dropout:
            layers.append(nn.Dropout(dropout))
    layers.append(_linear([inputs, *widths][-1], outputs, "linear", dtype))
    return nn.Sequential(*layers)


def _linear(wide: int, narrow: int, activation: str, dtype: str) -> nn.Linear:
    layer = nn.Linear(wide, narrow, dtype=dtype)
    if activation in ("relu", "gelu", "silu"):
        nn.init.kaiming_normal_(layer.weight)
    else:
        nn.init.xavier_uniform_(layer.weight)
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return layer


def _width(n: Any, name: str) -> int:
    if isinstance(n, bool) or not isinstance(n, int) or not 0 < n <= LARGEST_WIDTH:
        raise ValueError(f"network: {name}: expected a width from 1 to {LARGEST_WIDTH}, got {n!r}")
    return n


def _one_of(names: Any, name: Any, argument: str) -> str:
    if not isinstance(name, str) or name not in names:
        raise ValueError(f"network: {argument}: expected one of {', '.join(names)}; got {name!r}")
    return name
