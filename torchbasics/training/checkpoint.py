"""Checkpoints: all that a run needs to go on bit for bit, or to classify a picture, in one file.

The file is replaced in one step: a kill at any moment leaves the old one or the new one whole.
"""

import os
import warnings
from pathlib import Path
from typing import Any

import torch

from torchbasics.errors import InputError

NAME = "checkpoint.pt"
FORMAT = 2
"""What a checkpoint holds; one more whenever an older one would no longer do."""


def save(folder: Path, content: dict[str, Any]) -> Path:
    """Write `content` (tensors and plain values) to the folder's checkpoint: all of it, or none.

    It goes to a temporary file first, reaches the disk, and then takes the old one's name in one step.
    """
    path, temporary = folder / NAME, folder / f"{NAME}.{os.getpid()}.tmp"
    try:
        with temporary.open("wb") as file:
            torch.save(content, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    # The new name reaches the disk with its directory; Windows can't open one, and has no need to.
    if os.name == "posix":
        directory = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    return path


def load(folder: Path) -> dict[str, Any]:
    """Read a run's checkpoint onto the CPU. Nothing in the file is executed (`weights_only=True`).

    Raises `InputError` if there is no such run, it has no checkpoint, or the file is none of ours.
    """
    path = folder / NAME
    if not path.is_file():
        parent = folder.parent
        runs = sorted(child.name for child in parent.iterdir() if (child / NAME).is_file()) if parent.is_dir() else []
        listed = ", ".join(runs[:8]) + (", ..." if len(runs) > 8 else "")
        found = f"{parent} has runs {listed}" if runs else f"{parent} has no runs"
        raise InputError(f"no run with a checkpoint at {folder}: {found}; give the folder that train wrote")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about a file that is refused in the next line
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # A damaged or foreign file comes as RuntimeError, UnpicklingError, EOFError, ...: all mean the same here.
        raise InputError(f"{path} is damaged, or was not written by train; train the run again") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(f"{path} is not a checkpoint of this version of torchbasics; train the run again")
    return content
