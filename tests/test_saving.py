"""Saving: what comes back is what went in, damage is noticed, and a failure loses nothing."""

import json
import os
import struct
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import pullback as pb
from pullback import nn, optim, saving
from pullback.train.checkpoint import save_checkpoint


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state.safetensors"


def same(a, b):
    """Equal containers, arrays bit for bit."""
    if isinstance(b, dict):
        assert isinstance(a, dict) and list(a) == list(b)
        for key in b:
            same(a[key], b[key])
    elif isinstance(b, list | tuple):
        assert type(a) is type(b) and len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            same(x, y)
    elif isinstance(b, np.ndarray | np.generic | pb.Tensor):
        x, y = np.asarray(a), np.asarray(b)
        assert isinstance(a, pb.Tensor) and x.dtype == y.dtype.newbyteorder("=") and x.shape == y.shape
        assert np.ascontiguousarray(x).tobytes() == np.ascontiguousarray(y.astype(x.dtype)).tobytes()
    else:
        assert type(a) is type(b) and (a == b or (a != a and b != b))


DTYPES = ["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"]


class TestThereAndBack:
    @given(
        x=st.sampled_from(DTYPES).flatmap(lambda d: hnp.arrays(d, hnp.array_shapes(min_dims=0, min_side=0, max_dims=4)))
    )
    def test_every_array(self, x, tmp_path_factory):
        path = tmp_path_factory.mktemp("arrays") / "x"
        saving.save(path, {"x": x})
        same(saving.load(path), {"x": x})

    @pytest.mark.parametrize("order", [">f8", ">i4", "<f8"])
    @pytest.mark.parametrize(
        "view",
        [lambda a: a.T, lambda a: a[::2], lambda a: a[:, ::-1], lambda a: a[1], np.asfortranarray, lambda a: a[0, 0]],
    )
    def test_memory_in_any_order(self, path, view, order):
        x = view(np.arange(12).reshape(3, 4).astype(order))
        saving.save(path, {"x": x, "broadcast": np.broadcast_to(np.float32(3), (2, 3))})
        same(saving.load(path), {"x": x, "broadcast": np.full((2, 3), 3, "f")})

    def test_special_numbers_keep_their_bits(self, path):
        x = np.array([0.0, -0.0, np.inf, -np.inf, 5e-324, np.nan])
        x[5:] = np.frombuffer(struct.pack("<Q", 0x7FF8_0000_DEAD_BEEF), "<f8")
        same_bits = x.tobytes()
        saving.save(path, [x])
        assert np.asarray(saving.load(path)[0]).tobytes() == same_bits

    def test_containers(self, path):
        state = {
            "model": {"w": np.ones((2, 2)), "empty": np.zeros((0, 3))},
            "history": [1, 2.5, float("nan"), float("inf"), None, True, "größer\n", ()],
            7: (np.float32(1.5), [np.int8(3)]),
            "nothing": {},
        }
        saving.save(path, state)
        same(saving.load(path), state)

    def test_a_module_and_its_optimiser(self, path):
        net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
        optimiser = optim.Adam(net.parameters(), lr=0.3)
        schedule = optim.StepLR(optimiser, 2)
        nn.functional.cross_entropy(net(np.ones((2, 3), "f")), np.array([0, 1])).backward()
        optimiser.step()
        pb.save(path, net)
        other = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
        assert other.load_state_dict(pb.load(path)) == ([], [])
        same(other.state_dict(), net.state_dict())
        state = {
            "optimiser": optimiser.state_dict(),
            "schedule": schedule.state_dict(),
            "random": pb.random.get_state(),
        }
        pb.save(path, state)
        back = pb.load(path)
        same(back, state)
        again = optim.Adam(other.parameters())
        again.load_state_dict(back["optimiser"])
        pb.random.set_state(back["random"])
        assert again.lr == 0.3 and again.state_dict()["state"][0]["step"] == 1

    def test_other_programs_can_read_the_arrays(self, path):
        from safetensors.numpy import load_file

        net = nn.Linear(2, 3)
        pb.save(path, net)
        arrays = load_file(path)
        assert sorted(arrays) == ["bias", "weight"]
        np.testing.assert_array_equal(arrays["weight"], np.asarray(net.weight))

    def test_metadata(self, path):
        pb.save(path, nn.Linear(2, 2), metadata={"trained on": "数字", "epochs": "3"})
        assert saving.load_metadata(path) == {"trained on": "数字", "epochs": "3"}

    def test_the_arrays_that_were_saved_are_not_changed_and_not_shared(self, path):
        x = np.arange(3.0)
        x.flags.writeable = False
        pb.save(path, {"x": x})
        assert x.tolist() == [0, 1, 2]

    def test_a_shared_parameter_is_saved_once(self, path):
        layer = nn.Linear(2, 2)
        pb.save(path, nn.Sequential(layer, layer))
        assert list(pb.load(path)) == ["0.weight", "0.bias"]


class TestRefusals:
    @pytest.mark.parametrize(
        ("contents", "error", "words"),
        [
            ({"a": object()}, TypeError, "a is of type object"),
            ({"a": {"b": [1, {2}]}}, TypeError, "a.b.1 is of type set"),
            ({"a": np.array(["x"])}, TypeError, "a has dtype"),
            ({"a": np.ones(2, complex)}, TypeError, "complex128"),
            ({"a": np.array([None])}, TypeError, "object"),
            ({(1, 2): 3}, TypeError, "keys must be strings or integers"),
            ({True: 3}, TypeError, "keys"),
            ({"a.b": np.ones(1), "a": {"b": np.ones(1)}}, ValueError, "name 'a.b'"),
        ],
    )
    def test_what_cannot_be_saved_is_named_and_leaves_no_file(self, path, contents, error, words):
        with pytest.raises(error, match=words):
            saving.save(path, contents)
        assert list(path.parent.iterdir()) == []

    def test_metadata_must_be_strings(self, path):
        with pytest.raises(TypeError, match="'epoch': 3"):
            saving.save(path, {}, metadata={"epoch": 3})
        with pytest.raises(ValueError, match="is taken"):
            saving.save(path, {}, metadata={"pullback.tree": "x"})

    def test_a_folder_that_does_not_exist(self, path):
        with pytest.raises(FileNotFoundError):
            saving.save(path / "deeper" / "x", {})

    def test_missing_files_and_folders(self, path):
        with pytest.raises(FileNotFoundError, match=r"state\.safetensors"):
            saving.load(path)
        with pytest.raises(ValueError, match="is a folder"):
            saving.load(path.parent)

    @pytest.mark.parametrize(
        "content", [b"", b"1234567", b"not a safetensors file at all", b"\x80\x04K\x01.", b"\xff" * 64]
    )
    def test_other_files_are_refused_by_name(self, path, content):
        path.write_bytes(content)
        with pytest.raises(
            ValueError, match=rf"state\.safetensors \({len(content)} bytes\) is damaged, cut short or no"
        ):
            saving.load(path)


class TestDamage:
    @pytest.fixture
    def content(self, path):
        pb.random.manual_seed(0)
        saving.save(path, {"w": pb.random.normal((4, 4)), "n": 3}, metadata={"note": "text"})
        return path.read_bytes()

    def test_every_flipped_bit_is_noticed(self, path, content):
        rng = np.random.default_rng(0)
        for place in [*range(40), *rng.integers(40, len(content), 150).tolist(), len(content) - 1]:
            damaged = bytearray(content)
            damaged[place] ^= 1 << int(rng.integers(8))
            path.write_bytes(damaged)
            # Only a space in the header, or the name of the checksum itself, carries no information.
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                try:
                    loaded = saving.load(path)
                except (ValueError, UserWarning):
                    continue
            path.write_bytes(content)
            same(loaded, saving.load(path))

    def test_a_flipped_bit_in_the_numbers_is_never_loaded(self, path, content):
        for place in range(len(content) - 64, len(content)):
            damaged = bytearray(content)
            damaged[place] ^= 16
            path.write_bytes(damaged)
            with pytest.raises(ValueError, match=r"state\.safetensors is damaged: its checksum"):
                saving.load(path)

    def test_every_length_that_is_too_short_or_too_long(self, path, content):
        for length in [*range(0, len(content), 7), len(content) - 1]:
            path.write_bytes(content[:length])
            with pytest.raises(ValueError, match=r"state\.safetensors"):
                saving.load(path)
        path.write_bytes(content + b"\0")
        with pytest.raises(ValueError, match=r"state\.safetensors"):
            saving.load(path)

    def test_swapped_names_are_noticed(self, path):
        saving.save(path, {"aa": np.zeros(2), "bb": np.ones(2)})
        content = path.read_bytes()
        size = struct.unpack("<Q", content[:8])[0]
        header = json.loads(content[8 : 8 + size])
        header["aa"], header["bb"] = header["bb"], header["aa"]
        text = json.dumps(header, separators=(",", ":")).encode()
        text = text.ljust(size)
        path.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + size :])
        with pytest.raises(ValueError, match="checksum"):
            saving.load(path)

    def test_a_file_without_a_checksum_loads_with_a_warning(self, path):
        from safetensors.numpy import save_file

        save_file({"w": np.arange(3.0)}, path)
        with pytest.warns(UserWarning, match=r"state\.safetensors.*no checksum"):
            same(saving.load(path), {"w": np.arange(3.0)})

    def test_dtypes_that_numpy_does_not_have(self, path):
        header = b'{"w":{"dtype":"BF16","shape":[1],"data_offsets":[0,2]}}'
        path.write_bytes(struct.pack("<Q", len(header)) + header + b"\0\0")
        with pytest.raises(ValueError, match="NumPy has no dtype for 'w', which is BF16"):
            saving.load(path)


class TestNothingIsLost:
    @pytest.mark.parametrize("step", ["fsync", "replace"])
    def test_a_failure_leaves_the_old_file(self, path, monkeypatch, step):
        saving.save(path, {"x": np.ones(3)})

        def fail(*args):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, step, fail)
        with pytest.raises(OSError, match="No space"):
            saving.save(path, {"x": np.zeros(3)})
        monkeypatch.undo()
        assert [p.name for p in path.parent.iterdir()] == [path.name]
        same(saving.load(path), {"x": np.ones(3)})

    def test_an_interrupt_leaves_the_old_file(self, path, monkeypatch):
        saving.save(path, {"x": np.ones(3)})

        def interrupt(*args):
            raise KeyboardInterrupt

        monkeypatch.setattr(os, "replace", interrupt)
        with pytest.raises(KeyboardInterrupt):
            saving.save(path, {"x": np.zeros(3)})
        monkeypatch.undo()
        assert [p.name for p in path.parent.iterdir()] == [path.name]
        same(saving.load(path), {"x": np.ones(3)})

    def test_a_new_file_has_ordinary_permissions_and_an_old_one_keeps_its_own(self, path):
        if os.name != "posix":
            pytest.skip("permissions are those of POSIX")
        old = os.umask(0o022)
        try:
            saving.save(path, {})
            assert path.stat().st_mode & 0o777 == 0o644
            path.chmod(0o600)
            saving.save(path, {})
            assert path.stat().st_mode & 0o777 == 0o600
        finally:
            os.umask(old)

    def test_a_link_goes_on_pointing_to_the_file(self, path):
        link = path.with_name("latest")
        try:
            link.symlink_to(path)
        except OSError:
            pytest.skip("links are not allowed here")
        saving.save(link, [1])
        assert link.is_symlink() and saving.load(path) == [1]

    def test_a_damaged_file_does_not_touch_the_module(self, path):
        net = nn.Linear(2, 2)
        pb.save(path, net)
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
        before = net.state_dict()
        with pytest.raises(ValueError):
            net.load_state_dict(pb.load(path))
        same(net.state_dict(), before)


def test_a_checkpoints_file_is_checked_by_the_manifest_beside_it(tmp_path):
    path = save_checkpoint(tmp_path, {"model": {"w": np.ones(3)}}, step=1)
    file = path / "model.safetensors"
    assert pb.load(file)["w"].tolist() == [1.0, 1.0, 1.0] and saving.load_metadata(file) == {}
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"damaged: its checksum is not the one in manifest\.json"):
        pb.load(file)
    file.rename(tmp_path / "alone.safetensors")
    with pytest.warns(UserWarning, match=r"the checksum of this file is in the manifest\.json of its checkpoint"):
        pb.load(tmp_path / "alone.safetensors")
