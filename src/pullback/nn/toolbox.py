"""What PyTorch has under `nn.utils`: the same names at the same places, `nn.utils.clip_grad_norm_` and so on."""

from types import SimpleNamespace
from typing import NoReturn

from .absent import TOOLS, refusal
from .clipping import clip_grad_norm_, clip_grad_value_, clip_grads_with_norm_, get_total_norm
from .packed import (
    PackedSequence,
    pack_padded_sequence,
    pack_sequence,
    pad_packed_sequence,
    pad_sequence,
    unpack_sequence,
    unpad_sequence,
)
from .parametrize import (
    is_parametrized,
    register_parametrization,
    remove_parametrizations,
    spectral_norm,
    weight_norm,
)
from .stateless import functional_call
from .vector import parameters_to_vector, vector_to_parameters

__all__ = [
    "clip_grad_norm_",
    "clip_grad_value_",
    "clip_grads_with_norm_",
    "get_total_norm",
    "parameters_to_vector",
    "parametrizations",
    "parametrize",
    "rnn",
    "spectral_norm",
    "stateless",
    "vector_to_parameters",
    "weight_norm",
]

rnn = SimpleNamespace(
    PackedSequence=PackedSequence,
    pack_padded_sequence=pack_padded_sequence,
    pack_sequence=pack_sequence,
    pad_packed_sequence=pad_packed_sequence,
    pad_sequence=pad_sequence,
    unpack_sequence=unpack_sequence,
    unpad_sequence=unpad_sequence,
)
parametrizations = SimpleNamespace(spectral_norm=spectral_norm, weight_norm=weight_norm)
parametrize = SimpleNamespace(
    is_parametrized=is_parametrized,
    register_parametrization=register_parametrization,
    remove_parametrizations=remove_parametrizations,
)
stateless = SimpleNamespace(functional_call=functional_call)


def __getattr__(name: str) -> NoReturn:
    """Say what to use instead of a name that PyTorch has here."""
    raise refusal("pullback.nn.utils", name, TOOLS)
