"""Every kind of image that a folder may hold: what becomes of it, or why it is left out."""

import io
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from engine.arms.arm import Arm
from engine.errors import InputError
from engine.tasks import Reading
from engine.tasks.images import Shape, UnreadableError, _without_warnings, decode, look, read_images
from tests.tasks.sources import grey, image_bytes, lines

CHANCE = np.random.default_rng(0)
NOISE = CHANCE.integers(0, 256, (8, 8), np.uint8)
COLOURS = CHANCE.integers(0, 256, (8, 8, 3), np.uint8)


def _read(*sources, **fields):
    reading = Reading()
    names = [f"{i}.png" for i in range(len(sources))]
    return read_images(sources, names, Arm(**fields), reading), lines(reading)


def _one(source, is_colour=False, size=(8, 8), resize="crop"):
    return decode(source, Shape(size, is_colour, resize))


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM", "GIF"])
def test_grey_pixels_come_as_they_were_written(kind):
    np.testing.assert_array_equal(_one(image_bytes(Image.fromarray(NOISE), kind))[..., 0], NOISE)


@pytest.mark.parametrize(("kind", "options"), [("PNG", {}), ("BMP", {}), ("WEBP", {"lossless": 1})])
def test_colours_come_as_they_were_written(kind, options):
    written = image_bytes(Image.fromarray(COLOURS), kind, **options)
    np.testing.assert_array_equal(_one(written, is_colour=True), COLOURS)


def test_sixteen_bits_are_kept_and_bring_the_others_along():
    """White is white: naive conversion makes everything above 255 white."""
    deep = np.array([[0, 1, 257], [300, 40_000, 65_535]], np.uint16)
    images, words = _read(image_bytes(Image.fromarray(deep)), image_bytes(grey(255, (2, 3))))
    assert images.pixels.dtype == np.uint16
    np.testing.assert_array_equal(images.pixels[0, ..., 0], deep)
    np.testing.assert_array_equal(images.pixels[1], 65_535)
    assert "1 of 2 images have 16 bits, among others of 8, so all are taken with 16" in words


def test_sixteen_bits_can_be_resized_and_coloured():
    deep = np.full((4, 4), 40_000, np.uint16)
    found = _one(image_bytes(Image.fromarray(deep)), is_colour=True, size=(2, 2))
    np.testing.assert_array_equal(found, np.full((2, 2, 3), 40_000))


def test_what_is_transparent_lies_on_white():
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[4:, :, 3] = 255
    images, words = _read(image_bytes(Image.fromarray(pixels, "RGBA")))
    np.testing.assert_array_equal(images.pixels[0, :4], 255)
    np.testing.assert_array_equal(images.pixels[0, 4:], 0)
    assert "1 of 1 image laid on white" in words


@pytest.mark.parametrize("mode", ["P", "CMYK", "YCbCr", "1", "LA"])
def test_other_modes_become_grey_or_colour(mode):
    kind = {"CMYK": "TIFF", "YCbCr": "TIFF"}.get(mode, "PNG")
    source = image_bytes(Image.new("RGB", (8, 8), (200, 200, 200)).convert(mode), kind)
    try:
        Image.open(io.BytesIO(source)).load()
    except OSError:
        pytest.skip("this Pillow cannot read what it writes in that mode")
    found = _one(source, is_colour=True)
    assert found.shape == (8, 8, 3)
    # A bilevel image dithers; the others are right up to the rounding of their conversion.
    assert abs(float(found.mean()) - 200) < (30 if mode == "1" else 3)


def test_a_grey_palette_is_grey_and_a_coloured_one_is_not():
    coloured = Image.fromarray(COLOURS).convert("P")
    assert look(image_bytes(coloured)).is_colour
    shades = Image.fromarray(NOISE)
    palette = Image.fromarray(NOISE, "L").convert("P")
    assert not look(image_bytes(palette)).is_colour
    np.testing.assert_array_equal(_one(image_bytes(palette))[..., 0], np.asarray(shades))


def test_grey_among_colour_gets_three_equal_channels():
    images, words = _read(image_bytes(Image.fromarray(COLOURS)), image_bytes(grey(9)))
    assert images.pixels.shape == (2, 8, 8, 3)
    np.testing.assert_array_equal(images.pixels[1], 9)
    assert "1 of 2 images in grey, among others in colour" in words


def test_channels_can_be_asked_for():
    images, _ = _read(image_bytes(Image.fromarray(COLOURS)), channels="grey")
    assert images.pixels.shape == (1, 8, 8, 1)
    images, _ = _read(image_bytes(grey(9)), channels="colour")
    assert images.pixels.shape == (1, 8, 8, 3)


def test_a_photograph_is_turned_as_its_camera_was():
    upright = np.zeros((8, 16), np.uint8)
    upright[:, :8] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    source = image_bytes(Image.fromarray(upright), "JPEG", exif=exif, quality=95)
    assert look(source).size == (16, 8)
    turned = _one(source, size=(16, 8))[..., 0]
    assert turned[:6].min() > 200
    assert turned[10:].max() < 50


def test_of_several_frames_the_first_is_taken():
    frames = [grey(10), grey(200)]
    source = image_bytes(frames[0], "GIF", save_all=True, append_images=frames[1:])
    images, words = _read(source)
    np.testing.assert_array_equal(images.pixels, 10)
    assert "cut to the first of several frames" in words


def test_crop_stretch_and_pad():
    """A wide image, black, white and black in equal parts: the middle alone, all, or with bars."""
    wide = np.zeros((8, 24), np.uint8)
    wide[:, 8:16] = 255
    source = image_bytes(Image.fromarray(wide))
    assert _one(source).min() == 255
    stretched = _one(source, resize="stretch")[..., 0]
    assert stretched[:, 4].min() > 200
    assert stretched[:, 0].max() == 0
    padded = _one(source, size=(24, 24), resize="pad")[..., 0]
    np.testing.assert_array_equal(padded[8:16], wide)
    assert padded[:8].max() == padded[16:].max() == 0


def test_sizes_that_differ_are_brought_to_one_and_that_is_said():
    sources = [image_bytes(grey(7, (9 + i, 12))) for i in range(3)]
    images, words = _read(*sources)
    assert images.pixels.shape == (3, 64, 64, 1)
    assert "3 sizes, such as 9×12 and 11×12" in words
    assert "--image_size" in words
    images, words = _read(*sources, image_size=(5, 6))
    assert images.pixels.shape == (3, 5, 6, 1)
    assert words == ""
    images, words = _read(image_bytes(grey(7, (300, 300))))
    assert images.pixels.shape == (1, 64, 64, 1)
    assert "all have 300×300" in words


def _bomb() -> bytes:
    """The head of a PNG of a hundred million pixels."""
    whole = bytearray(image_bytes(grey(0)))
    head = b"IHDR" + struct.pack(">II", 10_000, 10_000) + bytes(whole[24:29])
    whole[12:33] = head + struct.pack(">I", zlib.crc32(head))
    return bytes(whole)


def _float_tiff() -> bytes:
    return image_bytes(Image.fromarray(np.full((8, 8), 0.5, np.float32)), "TIFF")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (b"", "no image"),
        (b"hello", "no image"),
        (image_bytes(Image.fromarray(NOISE))[:100], "truncated"),
        (_bomb(), "exceeds limit"),
        (_float_tiff(), "white is not known"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n", "no image"),
    ],
)
def test_what_cannot_be_read_is_left_out_with_the_reason(source, words):
    images, said = _read(image_bytes(grey(1)), source, image_bytes(grey(2)))
    np.testing.assert_array_equal(images.kept, [0, 2])
    assert "1 of 3 files left out, unreadable: '1.png'" in said
    assert words in said
    with pytest.raises(InputError, match="none of 1 file can be read") as caught:
        _read(source)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF"])
def test_damaged_images_are_read_or_refused_and_nothing_else(kind):
    """Bytes changed at random, in every format, with a fixed generator."""
    whole = image_bytes(Image.fromarray(COLOURS), kind)
    chance = np.random.default_rng(1)
    refusals = []
    for _ in range(60):
        damaged = np.frombuffer(whole, np.uint8).copy()
        damaged[chance.integers(0, len(damaged), 4)] = chance.integers(0, 256, 4)
        damaged = damaged[: chance.integers(1, len(damaged) + 1)]
        with _without_warnings():
            try:
                look(damaged.tobytes())
                assert _one(damaged.tobytes(), is_colour=True).shape == (8, 8, 3)
            except UnreadableError as error:
                refusals.append(str(error))
    assert refusals
    assert all(words.isprintable() for words in refusals)


def test_files_that_are_none(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "empty.png").touch()
    (tmp_path / "broken.png").symlink_to(tmp_path / "nothing")
    (tmp_path / "whole.png").write_bytes(image_bytes(grey(3)))
    (tmp_path / "link.png").symlink_to(tmp_path / "whole.png")
    for name, words in (("pipe.png", "no file"), ("empty.png", "empty file"), ("broken.png", "leads nowhere")):
        with pytest.raises(UnreadableError, match=words):
            look(tmp_path / name)
    assert look(tmp_path / "link.png").size == (8, 8)


def test_more_images_than_fit_are_refused_before_they_are_decoded(monkeypatch):
    monkeypatch.setattr("engine.tasks.reading.host_memory", lambda: 10_000)
    with pytest.raises(InputError, match=r"need .* GB, and this machine has .*--image_size"):
        _read(*[image_bytes(grey(i)) for i in range(20)])


def test_a_large_photograph_is_read_at_a_fraction_of_its_size():
    """The same picture up to what two ways of shrinking differ by."""
    ramp = np.linspace(0, 255, 1024).astype(np.uint8)
    picture = Image.fromarray(np.broadcast_to(ramp, (1024, 1024)).copy())
    small = _one(image_bytes(picture, "JPEG", quality=95), size=(32, 32))[..., 0].astype(float)
    np.testing.assert_allclose(small, np.asarray(picture.resize((32, 32))), atol=6)
