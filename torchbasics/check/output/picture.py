"""Where the entries of a quantity are wrong, as a picture: red is too large, blue too small, black not finite.

A vector is a row and a matrix stands as it is printed. Of more axes the last two make a tile: (3, 3, 4, 8) is 3 rows of
3 tiles of 4 by 8. What is larger than a screen is thinned out, each block to its worst entry, so that no wrong entry
vanishes.
"""

import io
import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Shaped, UInt8
from PIL import Image

from torchbasics.check.report import Quantity

# The two differ to the colour-blind too, and all stand out from a white page and from a dark one.
TOO_LARGE, TOO_SMALL, NOT_FINITE, RIGHT = (216, 59, 48), (46, 114, 210), (0, 0, 0), (128, 128, 128, 46)

_FAINTEST = 0.35  # opacity of the smallest error: what is wrong at all has to be seen
_MOST = 240  # cells in a row, and in a column


@dataclass(frozen=True)
class Layout:
    """How the entries of an array are laid out on a plane: tiles with a gap of one entry, then blocks of entries."""

    shape: tuple[int, ...]

    @property
    def tile(self) -> tuple[int, int]:
        """Rows and columns of entries in a tile."""
        rows, columns = (1, 1, *self.shape)[-2:]
        return rows, columns

    @property
    def tiles(self) -> tuple[int, int]:
        """Rows and columns of tiles."""
        count = math.prod(self.shape[:-2])
        if len(self.shape) > 3:
            return count // self.shape[-3], self.shape[-3]
        rows, columns = self.tile
        across = min(count, math.ceil(math.sqrt(count * (rows + 1) / (columns + 1))))
        return -(-count // across), across

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of entries in all, gaps included."""
        return self.tiles[0] * (self.tile[0] + 1) - 1, self.tiles[1] * (self.tile[1] + 1) - 1

    @property
    def block(self) -> tuple[int, int]:
        """Entries behind a cell, down and across."""
        return -(-self.size[0] // _MOST), -(-self.size[1] // _MOST)

    def cell(self, index: tuple[int, ...]) -> tuple[int, int]:
        """The row and column of the cell that shows an entry."""
        *leading, row, column = (0, 0, *index) if len(index) < 2 else index
        tile = int(np.ravel_multi_index(leading[-len(self.shape[:-2]) :], self.shape[:-2])) if self.shape[:-2] else 0
        down, across = divmod(tile, self.tiles[1])
        return (
            (down * (self.tile[0] + 1) + row) // self.block[0],
            (across * (self.tile[1] + 1) + column) // self.block[1],
        )

    def words(self) -> str:
        """Which axis runs where."""
        axes = len(self.shape)
        if axes < 2:
            said = "the entries from left to right"
        elif axes == 2:
            said = f"axis 0 down ({self.shape[0]}), axis 1 across ({self.shape[1]})"
        else:
            tiles = "one tile per index of axis 0" if axes == 3 else f"tiles: axis {axes - 3} across"
            if axes > 3:
                tiles += f", axis {'0' if axes == 4 else f'0 to {axes - 4}'} down"
            down, across = f"axis {axes - 2} down ({self.shape[-2]})", f"axis {axes - 1} across ({self.shape[-1]})"
            said = f"{tiles}; in a tile: {down}, {across}"
        if self.block != (1, 1):
            said += f"; a cell is the worst of {self.block[0]} by {self.block[1]} entries"
        return said

    def plane(self, array: Shaped[np.ndarray, "..."]) -> Shaped[np.ndarray, "rows down columns across"]:
        """The array laid out, (rows of cells, entries down one, columns of cells, entries across), and 0 between."""
        (down, across), (rows, columns) = self.tiles, self.tile
        plane = np.zeros((down * across, rows + 1, columns + 1), array.dtype)
        plane[: math.prod(self.shape[:-2]), :rows, :columns] = array.reshape(-1, rows, columns)
        plane = plane.reshape(down, across, rows + 1, columns + 1).swapaxes(1, 2)
        plane = plane.reshape(down * (rows + 1), across * (columns + 1))[:-1, :-1]
        a, b = self.block
        padded = np.pad(plane, ((0, -plane.shape[0] % a), (0, -plane.shape[1] % b)))
        return padded.reshape(padded.shape[0] // a, a, padded.shape[1] // b, b)


def cells(quantity: Quantity) -> UInt8[np.ndarray, "rows columns 4"] | None:
    """The picture, (rows, columns, 4), a pixel per cell; None where nothing differs or the shapes do."""
    if quantity.differs is None or not quantity.differs.any():
        return None
    layout = Layout(quantity.differs.shape)
    wrong = np.atleast_1d(quantity.differs)
    error = np.where(wrong, 1.0 if quantity.error is None else quantity.error, 0.0)
    finite = np.isfinite(error)
    error = layout.plane(np.where(finite, error, 0.0))
    most, least = error.max((1, 3)), error.min((1, 3))
    worst = np.where(most >= -least, most, least)
    any_wrong = layout.plane(wrong).any((1, 3))
    any_infinite = layout.plane(~finite).any((1, 3))
    is_entry = layout.plane(np.ones_like(wrong)).any((1, 3))

    largest = np.abs(worst).max() or 1.0
    opacity = _FAINTEST + (1 - _FAINTEST) * np.sqrt(np.abs(worst) / largest)
    pixels = np.zeros((*worst.shape, 4), np.uint8)
    pixels[is_entry] = RIGHT
    pixels[any_wrong, :3] = np.where((worst >= 0)[any_wrong, None], TOO_LARGE, TOO_SMALL)
    pixels[any_wrong, 3] = np.round(255 * opacity[any_wrong])
    pixels[any_infinite] = (*NOT_FINITE, 255)
    return pixels


def png(pixels: UInt8[np.ndarray, "rows columns 4"]) -> bytes:
    """A PNG, a pixel per cell."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", optimize=True)
    return file.getvalue()


def on_white(pixels: UInt8[np.ndarray, "rows columns 4"], side: int = 480) -> UInt8[np.ndarray, "H W 3"]:
    """(H, W, 3) of about `side` pixels at the longer side, for where transparency and scaling aren't to be had."""
    opacity = pixels[..., 3:] / 255
    opaque = np.round(pixels[..., :3] * opacity + 255 * (1 - opacity)).astype(np.uint8)
    scale = max(1, side // max(opaque.shape[:2]))
    return opaque.repeat(scale, 0).repeat(scale, 1)
