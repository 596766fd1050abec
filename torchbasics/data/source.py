"""From what the user named to a data set: a built-in name wins, then an existing file, then an existing folder."""

import difflib
import os
from pathlib import Path

import torch

from torchbasics.data import NAMES
from torchbasics.data.base import Data, check_seed
from torchbasics.data.hdf5 import load_hdf5
from torchbasics.errors import InputError, nearest

HDF5_SUFFIXES = (".h5", ".hdf5")
MOST_SIBLINGS = 8


def load(source: str | Path, test_source: str | Path | None = None, *, dtype: torch.dtype, seed: int) -> Data:
    """The data set that `source` names, as X (n_x, m) and Y (1, m) of `dtype` (float32 or float64).

    - A name of `torchbasics.data.NAMES`: a built-in set.
    - An HDF5 file of the course's schema; its test set is in it, beside it, or in the file `test_source`
      (`torchbasics.data.hdf5`).
    - A folder of pictures, read at 64x64 (`torchbasics.data.folder`).

    `seed` (0 to 2^32 - 1) decides what is random: the split of what has no test set of its own, and the draw of the
    generated sets. Raises `InputError` for a source that is not there or cannot be used.
    """
    check_seed(seed)
    name = str(source)
    is_file = name not in NAMES and os.path.exists(name) and not os.path.isdir(name)
    if test_source is not None and (name in NAMES or os.path.isdir(name)):
        raise InputError(
            f"test data ({test_source}) goes with an HDF5 file, and {name} is not one: it has a test set of its own; "
            "leave out --test-data"
        )
    if name in NAMES:
        from torchbasics.data.builtin import BUILTIN
        from torchbasics.data.planar import PLANAR
        from torchbasics.data.sequences import SEQUENCES

        return (BUILTIN | PLANAR | SEQUENCES)[name](dtype, seed)
    if is_file:
        return load_hdf5(Path(name), None if test_source is None else Path(test_source), dtype)
    if os.path.isdir(name):
        from torchbasics.data.folder import load_folder

        return load_folder(Path(name), dtype, seed)
    raise InputError(_nothing_there(name))


def _nothing_there(name: str) -> str:
    path = Path(name)
    if os.sep not in name and path.suffix not in HDF5_SUFFIXES:
        return f"no data set, file or folder is called {name!r}; {nearest(name, NAMES)}"
    siblings = [p.name for p in path.parent.glob("*") if p.suffix in HDF5_SUFFIXES] if path.parent.is_dir() else []
    if not siblings:
        return f"no such file: {path}; there is no HDF5 file in {path.parent} either"

    def likeness(sibling: str) -> float:
        return difflib.SequenceMatcher(None, path.name.casefold(), sibling.casefold()).ratio()

    shown = sorted(siblings, key=likeness, reverse=True)[:MOST_SIBLINGS]
    more = f" and {len(siblings) - len(shown)} more" if len(siblings) > len(shown) else ""
    return f"no such file: {path}; {nearest(path.name, shown)}{more}"
