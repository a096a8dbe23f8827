"""Image folders: what is read, what is refused, what is skipped with a count."""

import os
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullback.data import DataLoader, ImageFolder, read_image

Image = pytest.importorskip("PIL.Image")


def pixels(seed=0, shape=(6, 5, 3)):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "images"
    for name, seeds in (("dog", (0, 1)), ("cat", (2,))):
        (root / name / "deeper").mkdir(parents=True)
        for seed in seeds:
            Image.fromarray(pixels(seed)).save(root / name / f"{seed}.png")
    Image.fromarray(pixels(3)).save(root / "cat" / "deeper" / "3.BMP")
    (root / "cat" / "notes.txt").write_text("no image")
    return root


def png_that_claims(width, height):
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def test_classes_items_and_pixels(folder):
    data = ImageFolder(folder, dtype=np.uint8)
    assert data.classes == ("cat", "dog") and data.labels.tolist() == [0, 0, 1, 1]
    assert [path.name for path in data.paths] == ["2.png", "3.BMP", "0.png", "1.png"]
    for index, seed in enumerate((2, 3, 0, 1)):
        image, label = data[index]
        np.testing.assert_array_equal(image, pixels(seed).transpose(2, 0, 1))
        assert label == data.labels[index]
    image, _ = ImageFolder(folder)[0]
    assert image.dtype == np.float32
    np.testing.assert_allclose(image, pixels(2).transpose(2, 0, 1) / 255, rtol=1e-6)


def test_sizes_modes_and_batches(folder):
    data = ImageFolder(folder, size=(4, 7), mode="L", dtype=np.float64)
    x, y = next(iter(DataLoader(data, 4)))
    assert x.shape == (4, 1, 4, 7) and x.dtype == np.float64 and y.tolist() == [0, 0, 1, 1]


def test_the_turn_that_a_camera_noted_is_made(tmp_path):
    image = Image.fromarray(pixels())
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "a.png", exif=exif)
    turned = np.rot90(pixels(), -1).transpose(2, 0, 1)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png", dtype=np.uint8), turned)


def damaged(folder):
    whole = (folder / "dog" / "0.png").read_bytes()
    (folder / "dog" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "dog" / "empty.jpg").write_bytes(b"")
    (folder / "dog" / "text.gif").write_text("not an image at all")
    (folder / "dog" / "bomb.png").write_bytes(png_that_claims(60_000, 60_000))
    return {"cut.png", "empty.jpg", "text.gif", "bomb.png"}


def test_a_corrupt_image_in_the_middle_is_an_error_when_it_is_asked_for(folder):
    damaged(folder)
    data = ImageFolder(folder)
    names = [path.name for path in data.paths]
    assert data[names.index("1.png")][1] == 1
    for name in ("cut.png", "empty.jpg", "text.gif"):
        with pytest.raises(ValueError, match=f"{name}: not readable as an image"):
            data[names.index(name)]


def test_or_skipped_with_a_count(folder):
    names = damaged(folder)
    data = ImageFolder(folder, corrupt="skip")
    assert len(data) == 4 and len(data.skipped) == 4
    assert {path.name for path, _ in data.skipped} == names
    assert all("not readable as an image" in reason for _, reason in data.skipped)


@pytest.mark.parametrize("width, height", [(60_000, 60_000), (10_000, 10_000), (8_000, 8_000)])
def test_a_decompression_bomb_is_refused_before_it_is_decoded(tmp_path, width, height):
    (tmp_path / "bomb.png").write_bytes(png_that_claims(width, height))
    with pytest.raises(ValueError, match=r"bomb\.png: not readable as an image: .*(pixels|decompression bomb)"):
        read_image(tmp_path / "bomb.png")
    Image.fromarray(pixels()).save(tmp_path / "small.png")
    with pytest.raises(ValueError, match=r"5 × 6 pixels, more than max_pixels=29"):
        read_image(tmp_path / "small.png", max_pixels=29)
    read_image(tmp_path / "small.png", max_pixels=30)


def test_a_link_that_leaves_the_folder_is_never_read(folder, tmp_path):
    secret = tmp_path / "secret.png"
    Image.fromarray(pixels(9)).save(secret)
    inside = folder / "dog" / "link.png"
    inside.symlink_to(folder / "dog" / "0.png")
    assert len(ImageFolder(folder)) == 5, "a link inside the folder is a file like any other"
    inside.unlink()
    inside.symlink_to(secret)
    with pytest.raises(ValueError, match=r"link\.png leads out of the folder"):
        ImageFolder(folder)
    data = ImageFolder(folder, corrupt="skip")
    assert len(data) == 4 and "leads out of the folder" in data.skipped[0][1]
    inside.unlink()
    data = ImageFolder(folder)
    data.paths[0].unlink()
    data.paths[0].symlink_to(secret)
    with pytest.raises(ValueError, match="leads out of the folder"):
        data[0]
    (tmp_path / "outside").mkdir()
    secret.rename(tmp_path / "outside" / "secret.png")
    data.paths[0].unlink()
    (folder / "bird").symlink_to(tmp_path / "outside")
    with pytest.raises(ValueError, match="leads out of the folder"):
        ImageFolder(folder)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_not_waited_for(folder):
    os.mkfifo(folder / "dog" / "pipe.png")
    assert [path.name for path, _ in ImageFolder(folder, corrupt="skip").skipped] == ["pipe.png"]


@given(st.data())
def test_damaged_bytes_give_an_image_or_a_value_error(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "fuzzed.png"
    kind = data.draw(st.sampled_from(["PNG", "BMP", "GIF", "JPEG", "TIFF", "WEBP"]))
    Image.fromarray(pixels()).save(path, kind)
    content = bytearray(path.read_bytes())
    changes = st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255))
    for place, byte in data.draw(st.lists(changes, max_size=9)):
        content[place] = byte
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        image = read_image(path, max_pixels=10_000)
    except ValueError as error:
        assert "not readable as an image" in str(error)
    else:
        assert image.ndim == 3 and image.dtype == np.float32 and image.min() >= 0 and image.max() <= 1


def test_what_is_no_folder_of_images(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no such folder"):
        ImageFolder(tmp_path / "none")
    with pytest.raises(ValueError, match="has no image; expected a folder per class"):
        ImageFolder(tmp_path)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.png").write_bytes(b"?")
    with pytest.raises(ValueError, match="1 were skipped, the first: .*x.png"):
        ImageFolder(tmp_path, corrupt="skip")


@pytest.mark.parametrize(
    "options",
    [{"size": (0, 3)}, {"size": (3,)}, {"mode": "P"}, {"dtype": np.int64}, {"corrupt": "x"}, {"max_pixels": 0}],
)
def test_settings_out_of_range(folder, options):
    with pytest.raises(ValueError, match=f"{next(iter(options))}:? expected"):
        ImageFolder(folder, **options)


def test_without_pillow_the_command_is_named(folder, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "PIL", None)
    with pytest.raises(ImportError, match=r"pip install 'pullback\[images\]'"):
        ImageFolder(folder)
