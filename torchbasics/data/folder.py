"""A folder of pictures per class.

    DIR/train/CLASS/*.jpg and DIR/test/CLASS/*.jpg      the split is yours
    DIR/CLASS/*.jpg                                     80 % train, 20 % test, stratified, by the seed

Picture files are those named .jpg, .jpeg, .png, .gif, .webp or .bmp, at any depth below CLASS; other files and hidden
ones are skipped. Classes are sorted by name; which is label 1 is `torchbasics.data.examples.positive_class`'s rule.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torchvision.datasets.folder import make_dataset

from torchbasics.data.base import Data, ImageShape, Split
from torchbasics.data.examples import Examples, Pictures, binary
from torchbasics.data.pictures import SUFFIXES, open_picture
from torchbasics.errors import InputError

SIZE = 64
TEST_FRACTION = 0.2


@dataclass(frozen=True)
class ClassFolders:
    """The pictures under a folder per class, as a torchvision data set: item i is a picture and its class number."""

    samples: list[tuple[str, int]]

    @property
    def targets(self) -> list[int]:
        """The class number of every picture."""
        return [number for _, number in self.samples]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, i: int) -> tuple[Image.Image, int]:
        path, number = self.samples[i]
        return open_picture(Path(path)), number


def open_folder(folder: Path) -> Pictures:
    """Find the pictures of either layout, without reading them. Raises `InputError` for a folder of neither."""
    name = folder.resolve().name
    if {"train", "test"} <= set(_subfolders(folder)):
        (train, classes), (test, test_classes) = _class_folders(folder / "train"), _class_folders(folder / "test")
        if classes != test_classes:
            raise InputError(
                f"{folder}: train has the classes {', '.join(classes)} and test {', '.join(test_classes)}; "
                "both need the same"
            )
        return Pictures(name, train, test, classes)
    pictures, classes = _class_folders(folder)
    return Pictures(name, pictures, None, classes)


def _subfolders(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))


def _class_folders(folder: Path) -> tuple[ClassFolders, list[str]]:
    classes = _subfolders(folder)
    if len(classes) < 2:
        there = sorted(p.name for p in folder.iterdir() if not p.name.startswith("."))
        listed = ", ".join(there[:8]) + (", ..." if len(there) > 8 else "")
        is_data = any(name.endswith((".h5", ".hdf5")) for name in there)
        advice = "name the HDF5 file itself" if is_data else "expected a folder of pictures for each class, 2 or more"
        raise InputError(f"{folder} has no folder per class (it has {listed or 'nothing'}); {advice}")
    try:
        samples = make_dataset(folder, {c: i for i, c in enumerate(classes)}, is_valid_file=_is_picture)
    except FileNotFoundError:
        empty = [c for c in classes if not any(_is_picture(str(p)) for p in (folder / c).rglob("*"))]
        raise InputError(
            f"{folder}: no pictures ({', '.join(SUFFIXES)}) in {', '.join(empty)}; add some or remove the folder"
        ) from None
    return ClassFolders(samples), classes


def _is_picture(path: str) -> bool:
    return not Path(path).name.startswith(".") and path.lower().endswith(SUFFIXES)


def load_folder(folder: Path, dtype: torch.dtype, seed: int) -> Data:
    """The folder's pictures at 64x64x3, in memory: X = pixels / 255. Only for two classes.

    For another size, more classes, or to decode once and train often: `torchbasics data build` writes HDF5 files.
    Raises `InputError` for a folder of another layout, and for a picture that cannot be read.
    """
    pictures = open_folder(folder)
    if len(pictures.classes) > 2:
        raise InputError(
            f"{folder} has {len(pictures.classes)} classes, {', '.join(pictures.classes)}; choose the one to "
            f"recognise: torchbasics data build {folder} --positive CLASS"
        )
    train, test, classes = binary(pictures, None, TEST_FRACTION, seed, limit=None)
    return Data(
        name=pictures.name,
        train=_split(train, dtype),
        test=_split(test, dtype),
        classes=classes,
        image=ImageShape(SIZE, SIZE, 3),
        pixel_scale=255.0,
    )


def _split(examples: Examples, dtype: torch.dtype) -> Split:
    x, y = (np.concatenate(parts) for parts in zip(*examples.blocks(SIZE), strict=True))
    X = torch.from_numpy(x.reshape(examples.m, -1)).to(dtype).div_(255)
    return Split(X.T, torch.from_numpy(y).to(dtype)[None])
