"""What PyTorch has under `optim` and pullback has not, with what to use instead; see also `nn.absent`."""

from __future__ import annotations

__all__ = ["AVERAGES", "OPTIMISERS", "SCHEDULES"]

OPTIMISERS = {
    "SparseAdam": "`optim.Adam`, or `optim.Adagrad`: gradients are dense arrays",
    "swap_in_optimizer_params_and_state": "`load_state_dict`",
}

SCHEDULES = {"MultiplicativeLR": "`optim.LambdaLR` with the product of the factors"}

AVERAGES = {
    "get_ema_multi_avg_fn": "`get_ema_avg_fn`",
    "get_swa_multi_avg_fn": "`get_swa_avg_fn`",
}
