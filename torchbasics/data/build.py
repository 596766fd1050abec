"""Pictures of any origin into the course's HDF5 files: `torchbasics data build SOURCE`."""

import http.client
import inspect
import os
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torchvision

from torchbasics.data.base import check_seed
from torchbasics.data.examples import Examples, Pictures, binary, class_numbers
from torchbasics.data.folder import open_folder
from torchbasics.data.hdf5 import Kind
from torchbasics.data.hdf5_write import create_set, new_files
from torchbasics.errors import InputError, nearest

MAX_SIZE = 4096
# Said before gigabytes are fetched: these have no one class number to each picture, though their signature has it.
_UNUSABLE = {"CelebA", "LFWPairs", "LSUN", "LSUNClass", "SBU", "WIDERFace"}
_NO_DATA_SETS = {"DatasetFolder", "ImageFolder", "VisionDataset", "wrap_dataset_for_transforms_v2"}
_FAILURES = (
    RuntimeError,
    OSError,
    ImportError,
    EOFError,
    http.client.HTTPException,
    tarfile.TarError,
    zipfile.BadZipFile,
)


def build(
    source: str,
    *,
    out_dir: Path,
    name: str | None = None,
    size: int = 64,
    positive: str | None = None,
    test_fraction: float = 0.2,
    seed: int = 1,
    root: Path,
    download: bool = False,
    limit: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Path, Path]:
    """Write train_NAME.h5 and test_NAME.h5 in `out_dir`, made if it isn't there, and return their paths.

    - `source`: a folder of pictures per class (`torchbasics.data.folder`), or the name of a torchvision data set, in
      any case, kept under `root` and fetched there if `download`.
    - `name`: by default the source's, with the positive class if one is given (cifar10_cat).
    - `size`: the height and width in pixels, at most 4096; pictures are stretched to it, with 3 channels.
    - `positive`: the class with label 1, by name or number; every other class gets label 0. Of OxfordIIITPet, "cat" or
      "dog" asks for cats against dogs.
    - `test_fraction`: held out, stratified by label, where the source has no test set of its own.
    - `limit`: the most examples that each file gets, stratified by label.
    - `seed`: decides the split, what `limit` keeps and the order of the examples, which is shuffled.
    - `progress(done, total)`: called as pictures are written.

    Pictures are streamed: only a block is in memory. Both files are written or neither, and never over existing ones.
    Raises `InputError` for a source, a class or a value that cannot be used.
    """
    if not 1 <= size <= MAX_SIZE:
        raise InputError(f"--size {size}: expected 1 to {MAX_SIZE} pixels")
    if not 0 < test_fraction < 1:
        raise InputError(f"--test-fraction {test_fraction}: expected a share between 0 and 1, both excluded")
    if limit is not None and limit < 2:
        raise InputError(f"--limit {limit}: expected 2 examples or more, one for each label")
    check_seed(seed)
    data_set = None if os.path.isdir(source) else _data_set_name(source)
    if name is None:
        name = (data_set or Path(source).resolve().name).lower() + (f"_{positive}" if positive else "")
    if Path(name).name != name or name in ("", ".."):
        raise InputError(f"--name {name!r}: expected a file name without folders; those go in --out-dir")
    paths = out_dir / f"train_{name}.h5", out_dir / f"test_{name}.h5"
    for path in paths:
        if os.path.lexists(path):
            raise InputError(f"{path} exists and is never overwritten; choose another --name or remove it first")

    pictures = _open_data_set(data_set, positive, root, download) if data_set else open_folder(Path(source))
    train, test, classes = binary(pictures, positive, test_fraction, seed, limit)
    with _folder(out_dir), new_files(*paths) as (train_file, test_file):
        done, total = 0, train.m + test.m
        sets: list[tuple[h5py.File, Kind, Examples]] = [(train_file, "train", train), (test_file, "test", test)]
        for file, kind, examples in sets:
            X, Y = create_set(file, kind, (examples.m, size, size, 3), np.dtype(np.uint8), classes)
            start = 0
            for x, y in examples.blocks(size):
                X[start : start + len(y)], Y[start : start + len(y)] = x, y
                start += len(y)
                done += len(y)
                if progress is not None:
                    progress(done, total)
    return paths


def _data_set_name(source: str) -> str:
    """torchvision's spelling of the data set's name.

    A constructor that takes `transforms`, of picture and target together, is for boxes and masks; only OxfordIIITPet
    has classes too.
    """
    known: dict[str, str] = {}
    unusable: dict[str, str] = {}
    for candidate in set(torchvision.datasets.__all__) - _NO_DATA_SETS:
        parameters = inspect.signature(getattr(torchvision.datasets, candidate)).parameters
        others_required = [p for p in parameters.values() if p.default is p.empty and p.name != "root"]
        if candidate == "OxfordIIITPet" or not (
            candidate in _UNUSABLE
            or "target_transform" not in parameters
            or "transforms" in parameters
            or others_required
        ):
            known[candidate.casefold()] = candidate
        elif any(p.kind is p.VAR_KEYWORD for p in others_required):  # EMNIST, ImageNet and QMNIST
            unusable[candidate.casefold()] = f"{candidate} takes arguments of its own, which cannot be given here"
        else:
            unusable[candidate.casefold()] = f"{candidate} has no one class per picture"
    if source.casefold() in known:
        return known[source.casefold()]
    if source.casefold() in unusable:
        raise InputError(
            f"{unusable[source.casefold()]}; choose another, such as CIFAR10, or a folder of pictures per class"
        )
    if os.sep in source:
        raise InputError(f"no such folder: {source}; expected a folder of pictures per class or a torchvision data set")
    raise InputError(f"no folder and no torchvision data set is called {source!r}; {nearest(source, known.values())}")


def _open_data_set(name: str, positive: str | None, root: Path, download: bool) -> Pictures:
    """torchvision's `name`, by its own split (train=, or split= train and test or val) if its class has one."""
    constructor = getattr(torchvision.datasets, name)
    parameters = inspect.signature(constructor).parameters
    cats_and_dogs = name == "OxfordIIITPet" and positive is not None and positive.casefold() in ("cat", "dog")
    offered = {
        "root": str(root),
        "download": download,
        "target_types": "binary-category" if cats_and_dogs else "category",
    }
    arguments = {key: value for key, value in offered.items() if key in parameters}

    def opened(**split: Any) -> Any:
        try:
            return constructor(**arguments, **split)
        except _FAILURES as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            if download:
                raise InputError(f"{name} could not be downloaded to {root} ({reason})") from None
            if not isinstance(error, RuntimeError | FileNotFoundError):
                raise InputError(f"{name} cannot be read from {root} ({reason})") from None
            fetch = "pass --download to fetch it" if "download" in parameters else "put it there by hand"
            raise InputError(f"{name} was not found under {root}, or not all of it; {fetch}") from None

    train: Any
    test: Any = None
    if "train" in parameters:
        train, test = opened(train=True), opened(train=False)
    elif "split" in parameters:
        default = str(parameters["split"].default)
        train = opened(split=default if default.startswith("train") else "train")
        try:
            test = opened(split="test")
        except ValueError as error:
            if "argument split" not in str(error):
                raise
            test = opened(split="val")
    else:
        train = opened()
    return Pictures(name, train, test, _classes(name, train, cats_and_dogs))


def _classes(name: str, dataset: Any, cats_and_dogs: bool) -> list[str]:
    for attribute in ("bin_classes",) if cats_and_dogs else ("classes", "categories"):
        if hasattr(dataset, attribute):
            return [c if isinstance(c, str) else c[0] for c in getattr(dataset, attribute)]  # a tuple holds synonyms
    count = getattr(dataset, "num_classes", None) or int(class_numbers(name, dataset).max()) + 1
    return [str(number) for number in range(count)]


@contextmanager
def _folder(path: Path) -> Iterator[None]:
    """The folder, made with its parents if it isn't there; what was made goes again if the files cannot be written."""
    made = [folder for folder in (path, *path.parents) if not os.path.lexists(folder)]
    try:
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"--out-dir {path}: cannot make the folder ({error.strerror}); choose another") from None
        yield
    except BaseException:
        for folder in made:
            with suppress(OSError):  # it was never made, or someone else's file is in it by now
                folder.rmdir()
        raise
