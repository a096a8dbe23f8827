"""Normalisation against PyTorch and the laws of every layer; running statistics; what it refuses."""

import numpy as np
import pytest

import pullback as pb
from pullback import nn
from pullback.core.errors import DtypeError, ShapeError
from pullback.nn import functional as F

rng = np.random.default_rng(3)
IMAGES = rng.normal(size=(4, 6, 3, 2)) + 2
ROWS = rng.normal(size=(5, 6)) - 1

CASES = [
    ("BatchNorm1d", (6,), {}, ROWS),
    ("BatchNorm1d", (6,), {"momentum": None}, IMAGES[..., 0]),
    ("BatchNorm1d", (6,), {"affine": False}, ROWS),
    ("BatchNorm1d", (6,), {"track_running_stats": False}, ROWS),
    ("BatchNorm2d", (6,), {"momentum": 0.3, "eps": 1e-3}, IMAGES),
    ("BatchNorm3d", (6,), {}, IMAGES[..., None]),
    ("InstanceNorm1d", (6,), {}, IMAGES[..., 0]),
    ("InstanceNorm2d", (6,), {"affine": True}, IMAGES),
    ("InstanceNorm2d", (6,), {"affine": True, "track_running_stats": True}, IMAGES),
    ("InstanceNorm3d", (6,), {}, IMAGES[..., None]),
    ("LayerNorm", (6,), {}, ROWS),
    ("LayerNorm", ((3, 2),), {"eps": 1e-3}, IMAGES),
    ("LayerNorm", (6,), {"bias": False}, ROWS),
    ("LayerNorm", (6,), {"elementwise_affine": False}, ROWS),
    ("GroupNorm", (3, 6), {}, IMAGES),
    ("GroupNorm", (2, 6), {"affine": False}, ROWS),
    ("BatchNorm2d", (6,), {"bias": False}, IMAGES),
    ("InstanceNorm2d", (6,), {"affine": True, "bias": False}, IMAGES),
    ("GroupNorm", (3, 6), {"bias": False}, IMAGES),
    ("RMSNorm", (6,), {}, ROWS),
    ("RMSNorm", ((3, 2),), {"eps": 1e-2, "elementwise_affine": False}, IMAGES),
]


def named(case):
    return f"{case[0]}-{case[2]}"


def started(name, sizes, options):
    """A layer whose weights and running statistics are not those at the start."""
    layer = getattr(nn, name)(*sizes, **options).double()
    for path, x in layer.state_dict().items():
        if np.asarray(x).dtype.kind == "f":
            layer.load_state_dict({path: rng.uniform(0.5, 1.5, x.shape)}, strict=False)
    return layer


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("case", CASES, ids=named)
def test_layers_are_those_of_pytorch(like_torch, case, training):
    import torch

    name, sizes, options, x = case
    layer = started(name, sizes, options).train(training)
    theirs = getattr(torch.nn, name)(*sizes, **options).double().train(training)
    theirs.load_state_dict({path: torch.tensor(np.asarray(b)) for path, b in layer.state_dict().items()})
    like_torch(layer, theirs, [x], steps=2)


@pytest.mark.parametrize("case", CASES, ids=named)
def test_layers_keep_the_laws(laws, case):
    name, sizes, options, x = case
    moving = getattr(started(name, sizes, options), "running_mean", None) is not None
    laws(started(name, sizes, options).eval(), x)
    laws(started(name, sizes, options), x, batched=not moving)


def test_the_formula_written_out():
    x, w, b = ROWS, rng.normal(size=6), rng.normal(size=6)
    want = (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5) * w + b
    np.testing.assert_allclose(np.asarray(F.batch_norm(x, None, None, w, b, True)), want, rtol=1e-12)
    want = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5) * w + b
    np.testing.assert_allclose(np.asarray(F.layer_norm(x, 6, w, b)), want, rtol=1e-12)
    want = x / np.sqrt((x * x).mean(1, keepdims=True) + 1e-3) * w
    np.testing.assert_allclose(np.asarray(F.rms_norm(x, 6, w, 1e-3)), want, rtol=1e-12)


class TestRunningStatistics:
    def test_they_move_in_training_only(self):
        layer = nn.BatchNorm1d(6, dtype="float64")
        layer(ROWS)
        assert layer.num_batches_tracked.item() == 1
        np.testing.assert_allclose(np.asarray(layer.running_mean), 0.1 * ROWS.mean(0), rtol=1e-12)
        np.testing.assert_allclose(np.asarray(layer.running_var), 0.9 + 0.1 * ROWS.var(0, ddof=1), rtol=1e-12)
        before = layer.running_mean.tolist()
        layer.eval()(ROWS)
        assert layer.running_mean.tolist() == before and layer.num_batches_tracked.item() == 1

    def test_without_a_momentum_they_are_the_average_of_all_batches(self):
        layer = nn.BatchNorm1d(6, momentum=None, dtype="float64")
        batches = [rng.normal(size=(4, 6)) for _ in range(5)]
        for x in batches:
            layer(x)
        np.testing.assert_allclose(np.asarray(layer.running_mean), np.mean([x.mean(0) for x in batches], 0), rtol=1e-12)

    def test_a_traced_step_finds_them(self):
        layers = [nn.BatchNorm1d(6, dtype="float64") for _ in range(2)]
        step = pb.trace(lambda x: layers[1](x))
        for _ in range(3):
            layers[0](ROWS)
            step(pb.tensor(ROWS))
        for a, b in zip(layers[0].buffers(), layers[1].buffers(), strict=True):
            np.testing.assert_array_equal(np.asarray(a), np.asarray(b))
        assert layers[1].num_batches_tracked.item() == 3

    def test_a_transform_moves_them_without_a_graph(self):
        layer = nn.BatchNorm1d(6, dtype="float64")
        pb.grad(lambda x: layer(x).sum())(ROWS)
        np.testing.assert_allclose(np.asarray(layer.running_mean), 0.1 * ROWS.mean(0), rtol=1e-12)
        assert not layer.running_mean.requires_grad

    def test_inside_vmap_they_are_refused_unless_they_are_not_moved(self):
        x = rng.normal(size=(3, 5, 6))
        with pytest.raises(pb.PullbackError, match="track_running_stats=False"):
            pb.vmap(nn.BatchNorm1d(6, dtype="float64"))(x)
        layer = nn.BatchNorm1d(6, track_running_stats=False, dtype="float64")
        want = np.stack([np.asarray(layer(one)) for one in x])
        np.testing.assert_allclose(np.asarray(pb.vmap(layer)(x)), want, rtol=1e-12)

    def test_resetting(self):
        layer = nn.BatchNorm2d(6, dtype="float64")
        layer(IMAGES)
        layer.weight.assign_(3)
        layer.reset_parameters()
        assert layer.running_mean.tolist() == [0.0] * 6 and layer.running_var.tolist() == [1.0] * 6
        assert layer.num_batches_tracked.item() == 0 and layer.weight.tolist() == [1.0] * 6


class TestWrongUse:
    def test_one_value_per_channel_has_no_variance(self):
        layer = nn.BatchNorm1d(6, dtype="float64")
        with pytest.raises(ShapeError, match=r"more than 1 value per channel.*\(1, 6\)"):
            layer(ROWS[:1])
        assert layer.num_batches_tracked.item() == 0 and layer.running_mean.tolist() == [0.0] * 6
        assert layer.eval()(ROWS[:1]).shape == (1, 6)
        with pytest.raises(ShapeError, match="more than 1 value"):
            nn.InstanceNorm1d(6)(np.ones((2, 6, 1)))

    @pytest.mark.parametrize(
        ("layer", "shape", "expected"),
        [
            (nn.BatchNorm1d(6), (5, 4), r"BatchNorm1d\(6,.*\(N, 6\) or \(N, 6, L\).*num_features = 6.*\(5, 4\)"),
            (nn.BatchNorm2d(6), (5, 6), r"BatchNorm2d.*\(N, 6, H, W\).*\(5, 6\)"),
            (nn.BatchNorm3d(6), (5, 6, 2, 2), r"BatchNorm3d.*\(N, 6, D, H, W\)"),
            (nn.InstanceNorm2d(6), (6, 2), r"InstanceNorm2d.*\(N, 6, H, W\) or \(6, H, W\)"),
            (nn.InstanceNorm1d(6), (2, 5, 3), r"InstanceNorm1d.*num_features = 6"),
            (nn.LayerNorm((3, 2)), (4, 2, 3), r"LayerNorm\(\(3, 2\).*\(…, 3, 2\).*\(4, 2, 3\)"),
            (nn.RMSNorm(6), (4, 5), r"RMSNorm.*\(…, 6\).*\(4, 5\)"),
            (nn.GroupNorm(3, 6), (4, 9), r"GroupNorm\(3, 6.*num_channels = 6.*\(4, 9\)"),
        ],
    )
    def test_a_wrong_shape_names_the_layer_and_what_it_expects(self, layer, shape, expected):
        with pytest.raises(ShapeError, match=expected):
            layer(np.zeros(shape))

    @pytest.mark.parametrize(
        "make",
        [
            lambda: nn.BatchNorm1d(0),
            lambda: nn.BatchNorm2d(2.5),
            lambda: nn.BatchNorm1d(3, momentum=1.5),
            lambda: nn.BatchNorm1d(3, eps=-1),
            lambda: nn.LayerNorm(()),
            lambda: nn.LayerNorm((3, 0)),
            lambda: nn.RMSNorm("6"),
            lambda: nn.GroupNorm(4, 6),
            lambda: F.batch_norm(ROWS),
        ],
    )
    def test_settings_that_make_no_sense(self, make):
        with pytest.raises(ValueError):
            make()

    def test_the_functions_check_their_shapes(self):
        with pytest.raises(ShapeError, match=r"weight of shape \(6,\)"):
            F.batch_norm(ROWS, None, None, np.ones(5), None, True)
        with pytest.raises(ShapeError, match=r"bias of shape \(6,\)"):
            F.layer_norm(ROWS, 6, None, np.ones(5))
        with pytest.raises(ShapeError, match="divisible by num_groups = 4"):
            F.group_norm(ROWS, 4)
        with pytest.raises(ShapeError, match="axis behind the channels"):
            F.instance_norm(ROWS)
        with pytest.raises(DtypeError, match="int64"):
            F.layer_norm(np.ones((2, 6), np.int64), 6)
        with pytest.raises(TypeError, match="Buffer"):
            F.batch_norm(ROWS, np.zeros(6), np.ones(6), training=True)

    def test_an_empty_batch_in_evaluation(self):
        assert nn.BatchNorm1d(6).eval()(np.zeros((0, 6))).shape == (0, 6)
        assert nn.LayerNorm(6)(np.zeros((0, 6))).shape == (0, 6)
