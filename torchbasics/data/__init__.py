"""Where X and Y come from: a built-in name, an HDF5 file in the course's schema, or a folder of pictures.

`NAMES` are the built-in sets. `load` takes any of the three and gives a `torchbasics.data.base.Data`; it is imported on
first use, so that whoever only wants the names (a command line's help) doesn't wait for torch. `write` brings arrays of
your own into that schema, as a file that `load` takes (`torchbasics.data.hdf5_write`).
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torchbasics.data.hdf5_write import write as write
    from torchbasics.data.source import load as load

NAMES = (
    "digits",
    "ten-digits",
    "digit-sums",
    "breast-cancer",
    "flower",
    "circles",
    "moons",
    "blobs",
    "spirals",
    "match",
    "zen",
)


def __getattr__(name: str) -> Any:
    if name == "load":
        from torchbasics.data.source import load

        return load
    if name == "write":
        from torchbasics.data.hdf5_write import write

        return write
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
