"""Which mapping is not held to which law, and why. Every entry is a stated decision; there is no other way out."""

from __future__ import annotations

__all__ = ["EXEMPT"]

SQUARES = "it keeps squares of gradients, which float32 cannot hold at 1e30, as in PyTorch"

SQUARED = "its mean square overflows float32 at 1e30, as in PyTorch"

LEARNING_RATE = "decoupled weight decay multiplies the parameter by the learning rate, and 1e30 · 1e30 overflows"

SLOPES = "its derivatives multiply two factors of 1e30 before the slope of a saturated gate, which is 0"

BODY = "the body of its sample overflows float32 at 1e30, step by step; scan itself calculates nothing"

LOGARITHMS = "its inputs are logarithms: float32 rounds 1e30 by more than paths differ"

EXEMPT: dict[tuple[str, str], str] = {
    ("scan", "magnitudes"): BODY,
    ("adam_update", "magnitudes"): SQUARES,
    ("amsgrad_update", "magnitudes"): SQUARES,
    ("adamax_update", "magnitudes"): SQUARES,
    ("nadam_update", "magnitudes"): SQUARES,
    ("radam_update", "magnitudes"): SQUARES,
    ("adadelta_update", "magnitudes"): SQUARES,
    ("lamb_update", "magnitudes"): SQUARES,
    ("adafactor_update", "magnitudes"): SQUARES,
    ("adafactor_matrix_update", "magnitudes"): SQUARES,
    ("muon_update", "magnitudes"): SQUARES,
    ("lbfgs_direction", "magnitudes"): "it divides by products of differences, which float32 cannot hold at 1e30",
    ("ctc", "magnitudes"): LOGARITHMS,
    ("ctc_occupancy", "magnitudes"): LOGARITHMS,
    ("lion_update", "magnitudes"): LEARNING_RATE,
    ("adagrad_update", "magnitudes"): SQUARES,
    ("gru_slope", "magnitudes"): SLOPES,
    ("lstm_slope", "magnitudes"): SLOPES,
    ("rms_norm", "magnitudes"): SQUARED,
    ("rmsprop_update", "magnitudes"): SQUARES,
    ("rmsprop_centered_update", "magnitudes"): SQUARES,
    ("rmsprop_centered_momentum_update", "magnitudes"): SQUARES,
}
