"""What a check in Python puts back, beyond `torchbasics.check.program.undisturbed`: device, folder, modules, input."""

import builtins
import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import NoReturn

import torch


@contextlib.contextmanager
def restored(folder: Path | None = None) -> Iterator[None]:
    """Put back torch's default device, the working directory, `input` and `sys.modules`.

    Modules that were imported from `folder`, the checked file's own, go again: the next file may have others of the
    same names beside it. In between, tensors are made on the CPU, and `input` raises rather than wait for an answer.
    """
    device, here, modules, asks = torch.get_default_device(), _here(), dict(sys.modules), builtins.input
    builtins.input = _no_answer
    try:
        with torch.inference_mode(False), torch.device("cpu") if device.type != "cpu" else contextlib.nullcontext():
            yield
    finally:
        builtins.input = asks
        if torch.get_default_device() != device:
            torch.set_default_device(None if device.type == "cpu" else device)
        if here is not None and _here() != here:
            os.chdir(here)
        new = sys.modules.keys() - modules.keys()
        beside = {name for name in new if folder is not None and _lies_in(folder, sys.modules[name])}
        for name in new:
            if name.split(".")[0] in beside:
                del sys.modules[name]
        sys.modules.update(modules)


def _no_answer(*prompt: object) -> NoReturn:
    raise EOFError("it calls input(), and nobody answers during a check")


def _here() -> str | None:
    try:
        return os.getcwd()
    except FileNotFoundError:
        return None


def _lies_in(folder: Path, module: ModuleType) -> bool:
    """folder/name.py or folder/name/__init__.py; not what is installed in an environment below it."""
    file = getattr(module, "__file__", None)
    if file is None:
        return False
    path = Path(file).resolve()
    return folder == (path.parent.parent if path.name == "__init__.py" else path.parent)
