"""IDX files: what is written is read, and a damaged file says what is wrong with it."""

import gzip
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from pullback.data import load_idx_folder, read_idx, write_idx

DTYPES = ["uint8", "int8", "int16", "int32", "float32", "float64"]
CODES = [0x08, 0x09, 0x0B, 0x0C, 0x0D, 0x0E]


@given(
    st.sampled_from(DTYPES).flatmap(
        lambda dtype: arrays(dtype, array_shapes(min_dims=0, min_side=0, max_side=4))
    ),
    st.booleans(),
)
def test_what_is_written_is_read(tmp_path_factory, array, compressed):
    path = tmp_path_factory.mktemp("idx") / ("a.gz" if compressed else "a")
    write_idx(path, array)
    back = read_idx(path)
    assert back.dtype == array.dtype
    assert back.dtype.isnative
    assert back.flags.writeable
    np.testing.assert_array_equal(back, array)


@pytest.mark.parametrize(("dtype", "code"), list(zip(DTYPES, CODES, strict=True)))
def test_the_bytes_are_those_of_the_format(tmp_path, dtype, code):
    values = [1, 0, 100]
    form = {"uint8": "B", "int8": "b", "int16": "h", "int32": "i", "float32": "f", "float64": "d"}[dtype]
    content = bytes([0, 0, code, 2]) + struct.pack(">II", 3, 1) + struct.pack(f">3{form}", *values)
    (tmp_path / "by hand").write_bytes(content)
    np.testing.assert_array_equal(read_idx(tmp_path / "by hand"), np.array(values, dtype).reshape(3, 1))
    write_idx(tmp_path / "by us", np.array(values, dtype).reshape(3, 1))
    assert (tmp_path / "by us").read_bytes() == content


def test_any_layout_is_written(tmp_path):
    array = np.arange(24, dtype=">i2").reshape(4, 6)[::-1, ::2].T
    write_idx(tmp_path / "a", array)
    np.testing.assert_array_equal(read_idx(tmp_path / "a"), array)


def test_the_content_decides_about_gzip_and_not_the_name(tmp_path):
    write_idx(tmp_path / "a.gz", np.arange(5, dtype=np.uint8))
    (tmp_path / "a.gz").rename(tmp_path / "a")
    np.testing.assert_array_equal(read_idx(tmp_path / "a"), np.arange(5))


def test_no_time_stamp_is_written(tmp_path):
    write_idx(tmp_path / "a.gz", np.arange(5, dtype=np.uint8))
    assert (tmp_path / "a.gz").read_bytes()[4:8] == bytes(4)


@pytest.mark.parametrize("dtype", ["int64", "uint16", "float16", "complex64", "bool", "U1"])
def test_dtypes_without_a_code_are_refused(tmp_path, dtype):
    with pytest.raises(TypeError, match=f"dtype among uint8, int8, .*; got .*{np.dtype(dtype)}"):
        write_idx(tmp_path / "a", np.zeros(2, dtype))
    assert not (tmp_path / "a").exists()


GOOD = bytes([0, 0, 8, 2]) + struct.pack(">II", 2, 3) + bytes(6)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"\1" + GOOD[1:],
            "not an IDX file: expected a magic number 0x0000TTNN .* 0x00000803.*; found 0x01000802",
        ),
        (b"\0\0\x0a" + GOOD[3:], "found 0x00000A02"),
        (b"\0\0\x08\xff" + bytes(2000), "found 0x000008FF"),
        (b"PNG!", "found 0x504E4721"),
        (b"", "truncated: expected 4 bytes of an IDX header or more, got 0"),
        (GOOD[:3], "truncated: .* got 3"),
        (GOOD[:9], "truncated: expected a header of 12 bytes for 2 axes, got 9"),
        (GOOD[:-1], r"truncated.* shape \(2, 3\) of uint8, which makes 18 bytes, but .* 17"),
        (GOOD[:12], r"truncated.* which makes 18 bytes, but .* 12"),
        (GOOD + b"\0", r"too long: .* shape \(2, 3\) of uint8, which makes 18 bytes, but it holds more"),
        (
            bytes([0, 0, 14, 4]) + b"\xff" * 16 + bytes(9),
            r"truncated .* shape \(4294967295, 4294967295, .* of float64",
        ),
    ],
)
def test_damaged_files(tmp_path, content, pack, message):
    path = tmp_path / "file"
    path.write_bytes(pack(content))
    if pack is gzip.compress:
        message = message.replace("but .* 17", "but").replace("but .* 12", "but")
    with pytest.raises(ValueError, match=message) as caught:
        read_idx(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "damage",
    [lambda data: data[:-9], lambda data: data[:-8] + bytes(8), lambda data: data[:10] + b"\xff" * 20],
    ids=["cut off", "wrong check sum", "no deflate stream"],
)
def test_damaged_gzip(tmp_path, damage):
    (tmp_path / "a").write_bytes(damage(gzip.compress(GOOD)))
    with pytest.raises(ValueError, match="damaged gzip file|truncated"):
        read_idx(tmp_path / "a")


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("axes", [(2**32 - 1, 2**10), (40_000_000,)], ids=["unbelievable", "just believable"])
def test_a_header_alone_allocates_nothing(tmp_path, pack, axes):
    """From 100 kB of gzip, 40 MB could come: possible, but not allocated on the word of a header."""
    header = bytes([0, 0, 8, len(axes)]) + struct.pack(f">{len(axes)}I", *axes)
    content = header + (np.random.default_rng(0).bytes(100_000) if pack is gzip.compress else b"")
    (tmp_path / "a").write_bytes(pack(content))
    tracemalloc.start()
    with pytest.raises(ValueError, match="truncated"):
        read_idx(tmp_path / "a")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4_000_000


def test_a_gzip_bomb_is_unpacked_no_further_than_its_header_says(tmp_path):
    header = bytes([0, 0, 8, 1]) + struct.pack(">I", 10)
    (tmp_path / "a").write_bytes(gzip.compress(header + bytes(50_000_000)))
    tracemalloc.start()
    with pytest.raises(ValueError, match="too long"):
        read_idx(tmp_path / "a")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4_000_000


def write_mnist(folder, mark="-", end="", train=5, test=2):
    for part, n in (("train", train), ("t10k", test)):
        write_idx(folder / f"{part}-images{mark}idx3-ubyte{end}", np.full((n, 4, 4), n, np.uint8))
        write_idx(folder / f"{part}-labels{mark}idx1-ubyte{end}", np.arange(n, dtype=np.uint8))


class TestFolder:
    @pytest.mark.parametrize("mark", ["-", "."])
    @pytest.mark.parametrize("end", ["", ".gz"])
    def test_all_namings(self, tmp_path, mark, end):
        write_mnist(tmp_path, mark, end)
        (x, y), (u, v) = load_idx_folder(tmp_path)
        assert [x.shape, y.shape, u.shape, v.shape] == [(5, 4, 4), (5,), (2, 4, 4), (2,)]
        np.testing.assert_array_equal(v, [0, 1])
        assert (u == 2).all()

    def test_a_missing_file_is_named_with_what_is_there(self, tmp_path):
        write_mnist(tmp_path, end=".gz")
        (tmp_path / "t10k-labels-idx1-ubyte.gz").unlink()
        with pytest.raises(
            FileNotFoundError, match=r"t10k-labels-idx1-ubyte, .*; found t10k-images-idx3-ubyte.gz, "
        ):
            load_idx_folder(tmp_path)

    def test_no_folder_and_an_empty_one(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="no such folder"):
            load_idx_folder(tmp_path / "nowhere")
        with pytest.raises(FileNotFoundError, match="found nothing"):
            load_idx_folder(tmp_path)

    def test_as_many_labels_as_images(self, tmp_path):
        write_mnist(tmp_path)
        write_idx(tmp_path / "train-labels-idx1-ubyte", np.zeros(4, np.uint8))
        with pytest.raises(
            ValueError, match="got 5 images in train-images-idx3-ubyte and 4 labels in train-labels"
        ):
            load_idx_folder(tmp_path)

    def test_labels_in_the_place_of_images(self, tmp_path):
        write_mnist(tmp_path)
        write_idx(tmp_path / "train-images-idx3-ubyte", np.zeros(5, np.uint8))
        with pytest.raises(ValueError, match=r"0x0000TT03 \(3 axes\), found 1 axes of shape \(5,\)"):
            load_idx_folder(tmp_path)
