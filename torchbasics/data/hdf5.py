"""The course's HDF5 schema, read.

    train_set_x (m, H, W, C) uint8    train_set_y (m,)    list_classes (2,) bytes

and a second file, or the same one, with test_set_x and test_set_y. Legend: m examples, H height, W width, C channels.

Also accepted: images as (m, C, H, W) or, grey, (m, H, W), and structured data (m, n_x), of any real dtype. The
attribute `channel_order` ("HWC" or "CHW") of a dataset says which layout its images have; without it the axis of length
1 or 3 is the channels, the last one first, and then one of length 4. Images have 1, 3 or 4 channels.

uint8 images are divided by 255; everything else is used as it is.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from torchbasics.data.base import Data, ImageShape, Split
from torchbasics.errors import InputError

BLOCK_BYTES = 1 << 24
Kind = Literal["train", "test"]


@dataclass(frozen=True)
class _Set:
    """What one file says about one of its sets."""

    split: Split
    image: ImageShape | None
    pixel_scale: float
    classes: tuple[str, str] | None

    @property
    def summary(self) -> str:
        size = self.image and f"{self.image.height}x{self.image.width}x{self.image.channels} images"
        use = "divided by 255" if self.pixel_scale == 255 else "used as they are"
        return f"{size or f'{self.split.X.shape[0]} inputs'}, values {use}"


def load_hdf5(path: Path, test_source: Path | None, dtype: torch.dtype) -> Data:
    """The training set of `path` with its test set, flattened the course's way: X (n_x, m), pixels in [0, 1].

    The test set is, in this order: the file `test_source`; test_set_x in `path` itself; test_*.h5 beside a train_*.h5.
    Memory peaks at the result and a block of 16 MiB (or a row of the file's chunks). uint8 pixels are x / 255,
    correctly rounded in `dtype`; in float64 that is bit for bit the course's `x / 255.`. Without list_classes the
    classes are "0" and "1".

    Raises `InputError` for files that are missing, unreadable, damaged, no HDF5 or not of this schema, and for a test
    set that doesn't go with the training set.
    """
    with _opened(path) as file:
        keys = _keys(file, path)
        if "train_set_x" not in keys and "test_set_x" in keys:
            raise InputError(
                f"{path} holds a test set and no training set (it has {', '.join(keys)}); name the training file as "
                "the data and this one with --test-data"
            )
        _dataset(file, path, "train_set_x")  # before looking for a test set: what is missing first is said first
        test_path = test_source or (path if "test_set_x" in keys else _beside(path))
        train = _read(file, path, "train", dtype)
    with _opened(test_path) as file:
        test = _read(file, test_path, "test", dtype)
    if train.summary != test.summary:
        raise InputError(
            f"{path} trains on {train.summary}, {test_path} tests on {test.summary}; both need the same; choose "
            "files that belong together"
        )
    classes = train.classes or test.classes or ("0", "1")
    if test.classes not in (None, classes):
        raise InputError(
            f"{path} has the classes {classes} and {test_path} {test.classes}, for labels 0 and 1; both need the same"
        )
    name = path.stem.removeprefix("train_")
    return Data(name, train.split, test.split, classes, train.image, train.pixel_scale)


def _beside(path: Path) -> Path:
    looked_for = f"test_set_x in {path}"
    if path.name.startswith("train_"):
        test_path = path.with_name("test_" + path.name.removeprefix("train_"))
        if test_path.exists():
            return test_path
        looked_for += f" and for {test_path}"
    raise InputError(f"no test set: looked for {looked_for}; name a file that has one with --test-data FILE")


@contextmanager
def _h5py_errors(path: Path) -> Iterator[None]:
    """Around calls for the file alone. h5py raises OSError, RuntimeError or KeyError, whichever bytes are bad."""
    try:
        yield
    except PermissionError:
        raise InputError(f"{path}: permission denied; make the file readable for you") from None
    except (OSError, RuntimeError, KeyError) as error:
        reason = " ".join(str(error).split())
        if "signature not found" in reason:
            reason = "is not an HDF5 file; expected one that begins with the HDF5 signature (train_*.h5)"
        elif "truncated file" in reason:
            reason = "is truncated: a copy or a download of it ended early; get it again"
        else:
            reason = f"cannot be read ({reason}); it may be damaged, get it again"
        raise InputError(f"{path} {reason}") from None


@contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    with _h5py_errors(path):
        if path.is_dir():
            raise InputError(f"{path} is a folder; expected an HDF5 file")
        if not path.exists():
            raise InputError(f"no such file: {path}; expected an HDF5 file")
        if not path.is_file():
            raise InputError(f"{path} is not a regular file; expected an HDF5 file")
        file = h5py.File(path, "r")
    with file:
        yield file


def _keys(file: h5py.File, path: Path) -> list[str]:
    with _h5py_errors(path):
        return [str(key) for key in file]  # a name that is not UTF-8, as in a damaged file, comes as bytes


def _item(file: h5py.File, path: Path, key: str) -> h5py.Dataset:
    """What is called `key`, once it is known to be a dataset that has a shape."""
    with _h5py_errors(path):
        dataset = file[key]
    if not isinstance(dataset, h5py.Dataset):
        raise InputError(f"{path}: {key} is a {type(dataset).__name__.lower()}; expected a dataset")
    if dataset.shape is None:
        raise InputError(f"{path}: {key} is empty (it has a null dataspace); expected a dataset with a shape")
    return dataset


def _dataset(file: h5py.File, path: Path, key: str) -> h5py.Dataset:
    keys = _keys(file, path)
    if key not in keys:
        raise InputError(f"{path} has no {key}; it has {', '.join(keys) or 'nothing'}")
    dataset = _item(file, path, key)
    if dataset.dtype.kind not in "biuf":
        raise InputError(f"{path}: {key} has dtype {dataset.dtype}; expected real numbers")
    return dataset


def _read(file: h5py.File, path: Path, kind: Kind, dtype: torch.dtype) -> _Set:
    x, y = _dataset(file, path, f"{kind}_set_x"), _dataset(file, path, f"{kind}_set_y")
    with _h5py_errors(path):
        labels, order = y[...], x.attrs.get("channel_order")
    classes = _classes(file, path)
    where = f"{path}: {kind}_set"
    labels = _column(labels, f"{where}_y")
    image, channels_axis = _layout(x.shape, order, f"{where}_x")
    m = x.shape[0]
    if x.size == 0:
        raise InputError(f"{where}_x of shape {x.shape} is empty; expected one example or more")
    if len(labels) != m:
        raise InputError(f"{where}_x has {m} examples and {kind}_set_y {len(labels)} labels; both need the same m")
    check_labels(labels, f"{where}_y")
    labels = labels.astype(np.uint8)  # torch takes no foreign byte order
    images = image is not None and x.dtype == np.uint8
    pixels = _examples(x, channels_axis, 255.0 if images else 1.0, path, dtype)
    return _Set(
        split=Split(pixels.T, torch.tensor(labels, dtype=dtype)[None]),
        image=image,
        pixel_scale=255.0 if images else 1.0,
        classes=classes,
    )


def _layout(shape: tuple[int, ...], order: Any, where: str) -> tuple[ImageShape | None, int]:
    """What an example is, and the axis of its channels in the file: -1 (nothing to move) or 1."""
    if len(shape) == 2:
        return None, -1
    if len(shape) == 3:
        return ImageShape(shape[1], shape[2], 1), -1
    if len(shape) != 4:
        raise InputError(f"{where} has shape {shape}; expected (m, H, W, C), (m, C, H, W), (m, H, W) or (m, n_x)")
    if order is not None:
        said = order.decode("utf-8", "replace") if isinstance(order, bytes) else str(order)
        if said not in ("HWC", "CHW"):
            raise InputError(f"{where} has the attribute channel_order = {said!r}; expected 'HWC' or 'CHW'")
        axis = -1 if said == "HWC" else 1
        if shape[axis] not in (1, 3, 4):
            raise InputError(
                f"{where} of shape {shape} has {shape[axis]} channels by its channel_order = {said!r}; expected 1, 3 "
                "or 4; correct the attribute, or store the examples as (m, n_x)"
            )
    else:
        candidates = [axis for channels in ((1, 3), (4,)) for axis in (-1, 1) if shape[axis] in channels]
        if not candidates:
            raise InputError(
                f"{where} has shape {shape}, and neither its last nor its second axis is 1, 3 or 4 channels; "
                "set its HDF5 attribute channel_order to 'HWC' or 'CHW'"
            )
        axis = candidates[0]
    return (ImageShape(*shape[1:]) if axis == -1 else ImageShape(shape[2], shape[3], shape[1])), axis


def _examples(
    x: h5py.Dataset, channels_axis: int, pixel_scale: float, path: Path, dtype: torch.dtype
) -> Float[Tensor, "m n_x"]:
    """The examples one a row, in the course's order, converted block by block (whole chunks at a time)."""
    m = x.shape[0]
    shape = x.shape if channels_axis == -1 else (m, *x.shape[2:], x.shape[1])
    try:
        examples = torch.empty(shape, dtype=dtype)
    except RuntimeError:
        raise InputError(
            f"{path}: {x.name.removeprefix('/')} of shape {x.shape} needs {x.size * dtype.itemsize / 2**30:,.1f} GiB "
            f"of memory as {str(dtype).removeprefix('torch.')}, more than there is; use fewer or smaller examples"
        ) from None
    out = examples.numpy()
    rows_of_a_chunk = x.chunks[0] if x.chunks else 1
    step = max(1, BLOCK_BYTES * m // x.nbytes // rows_of_a_chunk) * rows_of_a_chunk
    bad, first = 0, None
    for start in range(0, m, step):
        with _h5py_errors(path):
            block = x[start : start + step]
        rows = out[start : start + step]
        if pixel_scale != 1:
            np.divide(np.moveaxis(block, channels_axis, -1), out.dtype.type(pixel_scale), out=rows)
            continue
        with np.errstate(over="ignore"):
            block = block.astype(out.dtype, copy=False)
        unusable = ~np.isfinite(block)
        if first is None and unusable.any():
            row, *rest = np.argwhere(unusable)[0].tolist()
            first = [start + row, *rest]
        bad += int(unusable.sum())
        rows[...] = np.moveaxis(block, channels_axis, -1)
    if bad:
        name = x.name.removeprefix("/")
        raise InputError(
            f"{path}: {name} has values that are NaN, infinite or too large for {out.dtype}: {bad} of {x.size}, the "
            f"first at {name}{first}; remove or replace them"
        )
    return examples.reshape(m, -1)


def _column(labels: np.ndarray, where: str) -> np.ndarray:
    if labels.ndim == 0 or labels.size != max(labels.shape):
        raise InputError(f"{where} has shape {labels.shape}; expected (m,), (m, 1) or (1, m)")
    return labels.reshape(-1)


def check_labels(labels: np.ndarray, where: str) -> None:
    """Raise `InputError` unless every label is 0 or 1."""
    wrong = np.flatnonzero(~np.isin(labels, (0, 1)))
    if wrong.size:
        values = np.unique(labels[wrong])
        shown = ", ".join(str(value) for value in values[:5]) + (", ..." if len(values) > 5 else "")
        raise InputError(
            f"{where} has labels other than 0 and 1: {wrong.size} of {len(labels)} (values {shown}), the first at "
            f"index {wrong[0]}; expected 1 for the class to recognise and 0 for every other"
        )


def _classes(file: h5py.File, path: Path) -> tuple[str, str] | None:
    if "list_classes" not in _keys(file, path):
        return None
    dataset = _item(file, path, "list_classes")
    if dataset.dtype.kind not in "biuf" and h5py.check_string_dtype(dataset.dtype) is None:
        raise InputError(f"{path}: list_classes has dtype {dataset.dtype}; expected 2 strings")
    with _h5py_errors(path):
        stored = np.asarray(dataset[...]).reshape(-1)
    names = [n.decode("utf-8", "replace") if isinstance(n, bytes) else str(n) for n in stored]
    if len(names) != 2:
        raise InputError(f"{path}: list_classes has {len(names)} names; expected 2, those of label 0 and label 1")
    return names[0], names[1]
