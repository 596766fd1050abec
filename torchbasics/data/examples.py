"""From pictures of many classes to examples of one question: is it `positive` or not?

A data set here is what torchvision means by it: `len(dataset)`, and `dataset[i]` is a PIL picture and its class number.
Legend: m examples, size the height and width of a picture.
"""

import operator
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int, UInt8
from PIL import Image

from torchbasics.data.pictures import pixels
from torchbasics.data.split import stratified
from torchbasics.errors import InputError, nearest

BLOCK = 64


@dataclass(frozen=True)
class Pictures:
    """Pictures of several classes, to train on and to test on; `test` is None where they have yet to be split."""

    name: str
    train: Any
    test: Any | None
    classes: Sequence[str]


@dataclass(frozen=True)
class Examples:
    """m pictures with labels 1 (of the class number `positive`) and 0, in the order of `indices`; read when asked."""

    name: str
    dataset: Any
    positive: int
    indices: Int[np.ndarray, " m"]

    @property
    def m(self) -> int:
        """The number of examples."""
        return len(self.indices)

    def blocks(self, size: int) -> Iterator[tuple[UInt8[np.ndarray, "k size size 3"], Int[np.ndarray, " k"]]]:
        """The examples at size x size x 3, with their labels, some at a time.

        Raises `InputError` for what cannot be read, and at the end if either label never occurred.
        """
        seen = set()
        for start in range(0, self.m, BLOCK):
            pairs = [
                picture_and_class(self.name, self.dataset, i) for i in self.indices[start : start + BLOCK].tolist()
            ]
            labels = np.array([int(number == self.positive) for _, number in pairs])
            seen |= set(labels.tolist())
            yield np.stack([pixels(picture, size, size, 3).numpy() for picture, _ in pairs]), labels
        if seen != {0, 1}:
            missing = "of the positive class" if 1 not in seen else "of any other class"
            raise InputError(f"{self.name}: none of the {self.m} pictures is {missing}; both labels are needed")


def picture_and_class(name: str, dataset: Any, i: int) -> tuple[Image.Image, int]:
    """`dataset[i]`, once it is known to be a picture and a class number; `InputError` if not."""
    try:
        item = dataset[i]
    except (OSError, SyntaxError) as error:
        raise InputError(f"{name}: picture {i} cannot be read ({' '.join(str(error).split())})") from None
    if isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], Image.Image):
        with suppress(TypeError):
            return item[0], operator.index(item[1])
    raise InputError(f"{name} is not a set of pictures with one class number each; choose another")


def class_numbers(name: str, dataset: Any) -> Int[np.ndarray, " m"]:
    """The class number of every picture: from a public attribute of the data set, else by a pass over the pictures."""
    for attribute in ("targets", "labels", "y"):
        known = np.asarray(getattr(dataset, attribute, ()))
        if known.shape == (len(dataset),) and known.dtype.kind in "iu":
            return known.astype(np.int64)
    return np.array([picture_and_class(name, dataset, i)[1] for i in range(len(dataset))])


def positive_class(name: str, classes: Sequence[str], positive: str | None) -> tuple[int, tuple[str, str]]:
    """The class number that gets label 1, and the names of labels 0 and 1.

    `positive` is a class's name, in any case, or its number. Without it, of two classes the second is label 1, unless
    its name is the first's with "non" before it (cat, non-cat).
    """
    numbers = {c.casefold(): i for i, c in enumerate(classes)}
    if positive is None:
        if len(classes) != 2:
            raise InputError(
                f"{name} has {len(classes)} classes; say with --positive CLASS which is label 1: {', '.join(classes)}"
            )
        first, second = (c.casefold() for c in classes)
        number = 0 if second in (f"non{first}", f"non-{first}", f"non_{first}") else 1
    elif positive.casefold() in numbers:
        number = numbers[positive.casefold()]
    elif positive.isdecimal() and int(positive) < len(classes):
        number = int(positive)
    else:
        raise InputError(f"{name} has no class {positive!r}; {nearest(positive, classes)}")
    chosen = classes[number]
    return number, (classes[1 - number] if len(classes) == 2 else f"non-{chosen}", chosen)


def binary(
    pictures: Pictures, positive: str | None, test_fraction: float, seed: int, limit: int | None
) -> tuple[Examples, Examples, tuple[str, str]]:
    """The training and test examples, shuffled by `seed`, and the names of labels 0 and 1.

    `test_fraction` is held out, stratified by label, where the pictures have no test set of their own. `limit` is the
    most examples that each of the two keeps, in the same shares and never without one of either label.
    """
    number, names = positive_class(pictures.name, pictures.classes, positive)

    if pictures.test is None:
        is_positive = class_numbers(pictures.name, pictures.train) == number
        parts = stratified(pictures.name, is_positive, test_fraction, seed)
        datasets = (pictures.train, pictures.train)
    else:
        datasets = (pictures.train, pictures.test)
        random = np.random.default_rng(seed)
        parts = (random.permutation(len(datasets[0])), random.permutation(len(datasets[1])))

    def kept(dataset: Any, indices: Int[np.ndarray, " m"]) -> Int[np.ndarray, " k"]:
        if limit is None or len(indices) <= limit:
            return indices
        is_positive = class_numbers(pictures.name, dataset)[indices] == number
        m_positive = min(max(1, round(limit * is_positive.mean())), limit - 1)
        positives, others = np.flatnonzero(is_positive)[:m_positive], np.flatnonzero(~is_positive)[: limit - m_positive]
        return np.take(indices, np.sort(np.concatenate([positives, others])))

    train, test = (
        Examples(pictures.name, dataset, number, kept(dataset, indices))
        for dataset, indices in zip(datasets, parts, strict=True)
    )
    return train, test, names
