"""A run's folder: its name, and that no earlier one is ever written over."""

import contextlib
import itertools
import os
from pathlib import Path

from torchbasics.errors import InputError
from torchbasics.training.config import TrainConfig

# Of a file's name in bytes, on every usual file system.
LONGEST_NAME = 255


def free_folder(config: TrainConfig) -> Path:
    """runs_dir/NAME; MODEL-DATA, numbered from 2 where that is taken, if the run was given no name.

    Raises `InputError` if the named run exists: no run is ever overwritten.
    """
    assert config.data is not None
    if config.run is None:
        name = default_name(config.model, config.data)
        for candidate in itertools.chain([name], (f"{name}-{k}" for k in itertools.count(2))):
            if not os.path.lexists(config.runs_dir / candidate):
                return config.runs_dir / candidate
    assert config.run is not None
    check_name("--run", config.run)
    folder = config.runs_dir / config.run
    if os.path.lexists(folder):
        raise InputError(
            f"--run {config.run}: {folder} exists; go on with it by 'torchbasics resume {folder} --iterations N', "
            "or choose another name"
        )
    return folder


def default_name(model: str, data: str) -> str:
    """MODEL-DATA, as in deep-digits."""
    source = Path(data)
    return f"{model}-{source.resolve().name if os.path.isdir(source) else source.stem.removeprefix('train_')}"


def check_name(option: str, name: str) -> None:
    """Raise `InputError` unless `name`, given by `option`, is one that a folder can have."""
    if not name or name == ".." or Path(name).name != name:
        raise InputError(f"{option} {name!r}: expected a name without folders; --runs-dir says where it goes")
    if len(os.fsencode(name)) > LONGEST_NAME:
        raise InputError(f"{option} {name[:20]}...: a name of {len(name)} characters is too long for a folder")


def make_folder(folder: Path) -> None:
    """Make the run's folder, and the folders above it; none of them if one can't be made."""
    above = [parent for parent in folder.parents if not parent.exists()]
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        for parent in above:
            with contextlib.suppress(OSError):
                parent.rmdir()
        raise InputError(f"can't make {folder}: {error.strerror}; choose another --runs-dir") from error
