"""What a data set is: X (n_x, m) and Y (1, m), to train and to test on, and what a column of X means.

Legend: m examples, n_x inputs, T steps of a sequence, H height, W width, C channels.

| data | X | Y |
|---|---|---|
| vectors, and pictures as vectors | (n_x, m) | (1, m) |
| sequences | (n_x, T, m) | (1, m) |
| text: every step a token, 0, 1, 2, ... | (T, m) | (1, T, m), the token that follows each |
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Num
from torch import Tensor

from torchbasics.errors import InputError


@dataclass(frozen=True)
class ImageShape:
    """How a column of X is an image: the one place that knows the order of its pixels.

    The course flattens (H, W, C) in C order, so that x[0], x[1], x[2] are red, green and blue of the top left pixel.
    Whatever order a file has, X is in this one.
    """

    height: int
    width: int
    channels: int

    @property
    def n_x(self) -> int:
        """H W C, the length of a column of X."""
        return self.height * self.width * self.channels

    def images(self, X: Float[Tensor, "n_x k"]) -> Float[Tensor, "k C H W"]:
        """The columns of X as images in the layout that torchvision and TensorBoard draw. A view."""
        return X.T.reshape(-1, self.height, self.width, self.channels).permute(0, 3, 1, 2)


@dataclass(frozen=True)
class Split:
    """m examples: X and Y of the same floating dtype, labels 0, 1, 2, ... Memory lies examples-first."""

    X: Float[Tensor, "*n_x m"]
    Y: Float[Tensor, "1 *T m"]

    @classmethod
    def from_rows(cls, rows: Num[np.ndarray, "m n_x"], labels: Num[np.ndarray, " m"], dtype: torch.dtype) -> "Split":
        """Examples as files and scikit-learn hold them, one a row, (m, n_x) and (m,): X is a view of their copy."""
        return cls(torch.tensor(rows, dtype=dtype).T, torch.tensor(labels, dtype=dtype)[None])

    @property
    def m(self) -> int:
        """The number of examples."""
        return self.X.shape[-1]

    def to(self, device: torch.device | str) -> "Split":
        """The same examples on another device."""
        return Split(self.X.to(device), self.Y.to(device))


@dataclass(frozen=True)
class Data:
    """A training set, a test set and what they show.

    `classes` names label 0, label 1, and so on. `image` is None where a column of X is no picture; with `structured`
    inputs it is one in its first image.n_x rows, and has that many others below. `pixel_scale` is what raw pixels were
    divided by (255 for the course's images), and is 1.0 for data that is used as it is. `tokens` is how many there are
    of a text's, and 0 for what is no text.
    """

    name: str
    train: Split
    test: Split
    classes: tuple[str, ...]
    image: ImageShape | None
    pixel_scale: float
    structured: int = 0
    tokens: int = 0

    def __post_init__(self) -> None:
        if self.train.X.shape[0] != self.test.X.shape[0]:
            raise InputError(
                f"{self.name}: the training examples have n_x = {self.train.X.shape[0]} inputs and the test examples "
                f"{self.test.X.shape[0]}; both need the same (images: the same height, width and channels)"
            )

    @property
    def n_x(self) -> int:
        """The number of inputs, n[0]; of a text its T tokens."""
        return self.train.X.shape[0]

    @property
    def n_y(self) -> int:
        """The number of outputs: one for two classes, the probability of label 1, and otherwise one for each."""
        return 1 if len(self.classes) == 2 else len(self.classes)

    def to(self, device: torch.device | str) -> "Data":
        """The same data on another device."""
        return replace(self, train=self.train.to(device), test=self.test.to(device))


def check_seed(seed: int) -> None:
    """Raise `InputError` unless NumPy and scikit-learn take `seed`: 0 to 2^32 - 1."""
    if not 0 <= seed < 2**32:
        raise InputError(f"--seed {seed}: expected a whole number from 0 to 4294967295; choose another")
