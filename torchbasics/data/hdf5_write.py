"""The course's HDF5 schema, written: whole files or none, never over an existing one.

Datasets are stored contiguous and uncompressed: random rows of such a file can be mapped into memory at several GB/s,
where chunks cost a decompression each, and gzip takes only some 7 % off photographs.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import h5py
import numpy as np
from jaxtyping import Int, Shaped

from torchbasics.data.hdf5 import Kind, check_labels
from torchbasics.errors import InputError


def write(
    path: Path, kind: Kind, x: Shaped[np.ndarray, "m *n"], y: Int[np.ndarray, " m"], classes: tuple[str, str]
) -> None:
    """Write a training or a test set: x (m, H, W, C) or (m, n_x) as it is, labels y in {0, 1}, the names of 0 and 1.

    Raises `InputError`, with nothing left behind, if `path` exists or cannot be written or a label is neither 0 nor 1.
    """
    check_labels(y, f"{kind}_set_y")
    with new_files(path) as (file,):
        X, Y = create_set(file, kind, x.shape, x.dtype, classes)
        X[...], Y[...] = x, y


@contextmanager
def new_files(*paths: Path) -> Iterator[list[h5py.File]]:
    """HDF5 files open for writing, which become `paths` together when the block ends, and vanish when it raises.

    They are written under temporary names in the same folders, fsynced and renamed.
    """
    for path in paths:
        if os.path.lexists(path):
            raise InputError(f"{path} exists and is never overwritten; choose another name or remove it first")
    temporary = [path.with_name(f".{path.name}.{os.getpid()}.tmp") for path in paths]
    placed: list[Path] = []
    try:
        with ExitStack() as stack:
            yield [stack.enter_context(_created(t)) for t in temporary]
        for t in temporary:
            _fsync(t)
        for t, path in zip(temporary, paths, strict=True):
            os.replace(t, path)
            placed.append(path)
            _fsync(path.parent)
    except BaseException as error:
        for path in placed:
            path.unlink()
        if isinstance(error, OSError):
            reason = os.strerror(error.errno) if error.errno else " ".join(str(error).split())
            raise InputError(f"cannot write {' and '.join(map(str, paths))}: {reason}") from None
        raise
    finally:
        for t in temporary:
            t.unlink(missing_ok=True)


@contextmanager
def _created(path: Path) -> Iterator[h5py.File]:
    """A new file, closed at the end. Closing writes too, and h5py says RuntimeError when the disk is full."""
    file = h5py.File(path, "x")
    try:
        yield file
    except BaseException:
        with suppress(RuntimeError):  # the first failure is the one to tell
            file.close()
        raise
    try:
        file.close()
    except RuntimeError as error:
        raise OSError(str(error)) from None


def create_set(
    file: h5py.File, kind: Kind, shape: tuple[int, ...], dtype: np.dtype, classes: tuple[str, str]
) -> tuple[h5py.Dataset, h5py.Dataset]:
    """The empty datasets of m = shape[0] examples and of their labels, to be filled in blocks."""
    file["list_classes"] = np.array([name.encode() for name in classes])
    X = file.create_dataset(f"{kind}_set_x", shape, dtype)
    Y = file.create_dataset(f"{kind}_set_y", shape[:1], np.int64)
    return X, Y


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
