"""Any picture file becomes a column of X: orientation, transparency, grey, resizing, and what is no picture."""

import io
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from torchbasics.data.base import ImageShape
from torchbasics.data.pictures import open_picture, pixels, read_picture
from torchbasics.errors import InputError

RGB = np.random.default_rng(0).integers(0, 256, (6, 4, 3), dtype=np.uint8)
COLOUR, GREY = ImageShape(6, 4, 3), ImageShape(6, 4, 1)


def saved(path: Path, picture: Image.Image, **options: object) -> Path:
    picture.save(path, **options)
    return path


def values(path: Path, image: ImageShape = COLOUR) -> np.ndarray:
    x = read_picture(path, image)
    assert x.dtype == torch.float64
    assert x.shape == (image.n_x, 1)
    levels = (x * 255).round()
    assert torch.equal(levels / 255, x)
    return levels.numpy().reshape(image.height, image.width, image.channels)


@pytest.mark.parametrize("suffix", ["png", "bmp", "webp", "PNG"])
def test_lossless_pixels_are_those_of_the_file_in_the_courses_order(tmp_path: Path, suffix: str) -> None:
    path = saved(tmp_path / f"a.{suffix}", Image.fromarray(RGB), **({"lossless": True} if suffix == "webp" else {}))
    assert np.array_equal(values(path), RGB)
    assert np.array_equal(read_picture(path, COLOUR)[:3, 0] * 255, RGB[0, 0])


def test_jpeg_colour_grey_and_cmyk(tmp_path: Path) -> None:
    flat = Image.new("RGB", (32, 32), (200, 100, 50))
    small = ImageShape(4, 4, 3)
    assert np.abs(values(saved(tmp_path / "a.jpg", flat), small) - [200, 100, 50]).max() <= 2
    assert np.abs(values(saved(tmp_path / "c.jpg", flat.convert("CMYK")), small) - [200, 100, 50]).max() <= 3
    assert np.abs(values(saved(tmp_path / "g.jpg", flat.convert("L")), small) - 124).max() <= 1


def test_transparency_shows_white(tmp_path: Path) -> None:
    alpha = np.full((6, 4, 1), 255, np.uint8)
    alpha[:2], alpha[2:4] = 0, 51
    rgba = Image.fromarray(np.concatenate([RGB, alpha], axis=2))
    expected = np.rint(RGB * (alpha / 255) + 255 * (1 - alpha / 255))
    assert np.abs(values(saved(tmp_path / "a.png", rgba)) - expected).max() <= 1
    luma = np.concatenate([RGB[..., :1], alpha], axis=2)
    expected = np.rint(luma[..., :1] * (alpha / 255) + 255 * (1 - alpha / 255))
    assert np.abs(values(saved(tmp_path / "la.png", Image.fromarray(luma)), GREY) - expected).max() <= 1
    assert np.abs(values(tmp_path / "la.png") - expected).max() <= 1


def test_palettes_and_their_transparency(tmp_path: Path) -> None:
    palette = Image.fromarray(np.arange(24, dtype=np.uint8).reshape(6, 4) % 3).convert("P")
    palette.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    colours = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255]])[np.arange(24).reshape(6, 4) % 3]
    assert np.array_equal(values(saved(tmp_path / "p.png", palette)), colours)
    assert np.array_equal(values(saved(tmp_path / "p.gif", palette)), colours)
    colours[colours[..., 1] == 255] = 255
    with warnings.catch_warnings(action="error"):
        assert np.array_equal(values(saved(tmp_path / "t.png", palette, transparency=1)), colours)
        assert np.array_equal(values(saved(tmp_path / "b.png", palette, transparency=b"\xff\x00\xff")), colours)
        assert np.array_equal(values(saved(tmp_path / "t.gif", palette, transparency=1)), colours)


def test_grey_is_luma_and_grey_files_fill_three_channels(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", Image.fromarray(RGB))
    luma = RGB @ np.array([0.299, 0.587, 0.114])
    assert np.abs(values(path, GREY)[..., 0] - luma).max() <= 1
    grey = saved(tmp_path / "g.png", Image.fromarray(RGB[..., 0]))
    assert np.array_equal(values(grey), np.repeat(RGB[..., :1], 3, axis=2))
    bits = saved(tmp_path / "1.png", Image.fromarray(RGB[..., 0] > 127))
    assert np.array_equal(values(bits, GREY)[..., 0], 255 * (RGB[..., 0] > 127))


def test_sixteen_bit_grey_is_scaled_not_clipped(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", Image.fromarray(RGB[..., 0].astype(np.uint16) * 257))
    assert np.array_equal(values(path, GREY)[..., 0], RGB[..., 0])


@pytest.mark.parametrize(
    ("orientation", "turn"), [(1, lambda a: a), (3, lambda a: a[::-1, ::-1]), (6, lambda a: np.rot90(a, -1))]
)
@pytest.mark.parametrize(("suffix", "options"), [("png", {}), ("jpg", {"subsampling": 0, "quality": 100})])
def test_the_EXIF_orientation_is_applied(
    tmp_path: Path,
    orientation: int,
    turn: Callable[[np.ndarray], np.ndarray],
    suffix: str,
    options: dict[str, int],
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    coarse = np.kron(RGB[:3, :2] // 128 * 255, np.ones((16, 16, 1), np.uint8))
    path = saved(tmp_path / f"a.{suffix}", Image.fromarray(coarse), exif=exif, **options)
    expected = turn(coarse)
    assert np.abs(values(path, ImageShape(*expected.shape)) - expected).max() <= 4


def test_the_first_frame_of_an_animation(tmp_path: Path) -> None:
    red, blue = Image.new("RGB", (4, 6), "red"), Image.new("RGB", (4, 6), "blue")
    for suffix in ("gif", "webp", "png"):
        path = saved(tmp_path / f"a.{suffix}", red, save_all=True, append_images=[blue])
        assert np.abs(values(path)[..., 2]).max() <= 1, suffix


def triangle(n_in: int, n_out: int) -> np.ndarray:
    """Rows of weights: the triangle filter as wide as the scale, where it shrinks (antialiasing)."""
    scale = n_in / n_out
    width = max(scale, 1)
    centres = (np.arange(n_out)[:, None] + 0.5) * scale
    weights = np.clip(1 - np.abs(np.arange(n_in) + 0.5 - centres) / width, 0, None)
    return weights / weights.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(("height", "width"), [(16, 16), (50, 12), (80, 96)])
def test_resizing_is_antialiased_bilinear_and_ignores_the_aspect_ratio(height: int, width: int) -> None:
    picture = np.random.default_rng(1).integers(0, 256, (40, 48, 3), dtype=np.uint8)
    expected = np.einsum("hi,wj,ijc->hwc", triangle(40, height), triangle(48, width), picture.astype(float))
    resized = pixels(Image.fromarray(picture), height, width, 3)
    assert resized.shape == (height, width, 3)
    assert np.abs(resized.numpy() - expected).max() <= 1.5


def refusal(path: Path, image: ImageShape = COLOUR) -> str:
    with pytest.raises(InputError) as caught:
        read_picture(path, image)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


def test_what_is_no_picture(tmp_path: Path) -> None:
    formats = "expected a picture (JPEG, PNG, GIF, WEBP, BMP)"
    path = tmp_path / "a.png"
    assert refusal(path) == f"no such file: {path}; {formats}"
    path.touch()
    assert refusal(path) == f"{path} is empty (0 bytes); {formats}"
    path.write_text("hello" * 100)
    assert refusal(path) == f"{path} cannot be read as a picture (not recognised); {formats}"
    assert refusal(tmp_path) == f"{tmp_path} is a folder; {formats}"
    saved(tmp_path / "a.tiff", Image.fromarray(RGB))
    assert "not recognised" in refusal(tmp_path / "a.tiff")


@pytest.mark.parametrize("suffix", ["png", "jpeg", "gif", "webp", "bmp"])
def test_a_damaged_picture_is_refused_or_read(tmp_path: Path, suffix: str) -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(buffer, suffix)
    whole = buffer.getvalue()
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(whole[: len(whole) // 2])
    assert "cannot be read as a picture" in refusal(path)
    random = np.random.default_rng(1)
    for _ in range(60):
        damaged = np.frombuffer(whole, np.uint8).copy()
        damaged[random.integers(0, min(len(whole), 300), 4)] = random.integers(0, 256, 4)
        path.write_bytes(damaged.tobytes())
        with warnings.catch_warnings(action="ignore"):
            try:
                open_picture(path)
            except InputError:
                refusal(path)


def test_a_decompression_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path / "a.png", Image.fromarray(RGB))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert "decompression bomb" in refusal(path)


def test_four_channels_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", Image.fromarray(RGB))
    assert "have 4 channels; a picture has 3 (colour) or 1 (grey)" in refusal(path, ImageShape(6, 4, 4))
