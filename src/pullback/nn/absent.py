"""What PyTorch has under `nn` and pullback has not, with what to use instead.

The error that a missing name raises says it, and docs/from-pytorch.md lists it.
"""

from __future__ import annotations

__all__ = ["FUNCTIONS", "LAYERS", "STARTS", "TOOLS", "refusal"]

_SIZED = "the layer itself: it takes the number of inputs. `pullback.keras` infers it from the first batch"

LAYERS = {
    **{
        f"Lazy{name}{n}": _SIZED.replace("the layer", f"`nn.{name}{n}`", 1)
        for name, ranks in (
            ("BatchNorm", ("1d", "2d", "3d")),
            ("Conv", ("1d", "2d", "3d")),
            ("ConvTranspose", ("1d", "2d", "3d")),
            ("InstanceNorm", ("1d", "2d", "3d")),
            ("Linear", ("",)),
        )
        for n in ranks
    },
    "UninitializedParameter": "`nn.Parameter`: shapes are known when a layer is made",
    "UninitializedBuffer": "`nn.Buffer`: shapes are known when a layer is made",
    "AdaptiveLogSoftmaxWithLoss": "`nn.Linear` and `nn.CrossEntropyLoss`",
    "LinearCrossEntropyLoss": "`nn.Linear` and `nn.CrossEntropyLoss`",
    "LinearCrossEntropyOptions": "`nn.Linear` and `nn.CrossEntropyLoss`",
    "NLLLoss2d": "`nn.NLLLoss`, which takes images too",
    "Container": "`nn.Module`, `nn.Sequential` or `nn.ModuleList`",
    "CrossMapLRN2d": "`nn.LocalResponseNorm`",
    "FractionalMaxPool2d": "`nn.AdaptiveMaxPool2d`, or `nn.MaxPool2d`",
    "FractionalMaxPool3d": "`nn.AdaptiveMaxPool3d`, or `nn.MaxPool3d`",
    "RNNBase": "`nn.RNN`, `nn.LSTM` or `nn.GRU`",
    "RNNCellBase": "`nn.RNNCell`, `nn.LSTMCell` or `nn.GRUCell`",
    "SyncBatchNorm": "`nn.BatchNorm1d`, `nn.BatchNorm2d` or `nn.BatchNorm3d`",
    "DataParallel": "the model itself",
}

FUNCTIONS = {
    "adaptive_max_pool1d_with_indices": "`F.adaptive_max_pool1d(…, return_indices=True)`",
    "adaptive_max_pool2d_with_indices": "`F.adaptive_max_pool2d(…, return_indices=True)`",
    "adaptive_max_pool3d_with_indices": "`F.adaptive_max_pool3d(…, return_indices=True)`",
    "max_pool1d_with_indices": "`F.max_pool1d(…, return_indices=True)`",
    "max_pool2d_with_indices": "`F.max_pool2d(…, return_indices=True)`",
    "max_pool3d_with_indices": "`F.max_pool3d(…, return_indices=True)`",
    **{
        f"{name}_": f"`F.{name}`: values are never overwritten"
        for name in ("celu", "elu", "hardtanh", "leaky_relu", "relu", "rrelu", "selu", "threshold")
    },
    "conv_tbc": "`F.conv1d` on `pb.permute_dims(x, (1, 2, 0))`",
    "fractional_max_pool2d": "`F.adaptive_max_pool2d`",
    "fractional_max_pool2d_with_indices": "`F.adaptive_max_pool2d(…, return_indices=True)`",
    "fractional_max_pool3d": "`F.adaptive_max_pool3d`",
    "fractional_max_pool3d_with_indices": "`F.adaptive_max_pool3d(…, return_indices=True)`",
    "linear_cross_entropy": "`F.linear` and `F.cross_entropy`",
    "multi_head_attention_forward": "`nn.MultiheadAttention`, or `F.scaled_dot_product_attention`",
    "native_channel_shuffle": "`F.channel_shuffle`",
    "upsample": "`F.interpolate`",
    "upsample_bilinear": "`F.interpolate(…, mode='bilinear', align_corners=True)`",
    "upsample_nearest": "`F.interpolate`",
    "grouped_mm": "`pb.matmul` group by group",
    "scaled_grouped_mm": "`pb.matmul` group by group: there are no 8-bit floats",
    "scaled_mm": "`pb.matmul`: there are no 8-bit floats",
}

STARTS = {
    name: f"`init.{name}_`"
    for name in (
        "constant",
        "dirac",
        "eye",
        "kaiming_normal",
        "kaiming_uniform",
        "normal",
        "orthogonal",
        "sparse",
        "uniform",
        "xavier_normal",
        "xavier_uniform",
    )
}

TOOLS = {
    "clip_grad_norm": "`nn.utils.clip_grad_norm_`",
    "convert_conv2d_weight_memory_format": "nothing: a layer lays out its weight by itself",
    "convert_conv3d_weight_memory_format": "nothing: a layer lays out its weight by itself",
    "fuse_conv_bn_eval": "`model.eval()`",
    "fuse_conv_bn_weights": "`model.eval()`",
    "fuse_linear_bn_eval": "`model.eval()`",
    "fuse_linear_bn_weights": "`model.eval()`",
    "remove_spectral_norm": "`nn.remove_parametrizations(module, 'weight')`",
    "remove_weight_norm": "`nn.remove_parametrizations(module, 'weight')`",
    "skip_init": "the layer itself: drawing its start takes a moment",
    "orthogonal": "`nn.init.orthogonal_` for the start; to stay orthogonal, `nn.register_parametrization`",
    "invert_permutation": "`numpy.argsort`",
    "transfer_parametrizations_and_params": "`nn.register_parametrization` on the other module",
    "type_before_parametrizations": "`type(module)`: a parametrisation keeps the class",
    "cached": "a variable that keeps the weight once it was read",
}


def refusal(module: str, name: str, table: dict[str, str]) -> AttributeError:
    """Return the error for a name that a module has not, with what to use instead where PyTorch has it."""
    if name in table:
        return AttributeError(f"{module} has no {name}, which PyTorch has. Use instead: {table[name].replace('`', '')}")
    return AttributeError(f"module {module!r} has no attribute {name!r}")
