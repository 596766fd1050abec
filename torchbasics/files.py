"""Files that the user names for a command to write: only over one of its own, and all of it or none."""

import os
import stat
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from torchbasics.errors import InputError


def refuse(option: str, path: Path, is_ours: Callable[[str], bool], what: str) -> None:
    """Raise `InputError` unless `write` can go there: no file yet, an empty one, or one of ours, which is `what`."""
    try:
        _refuse(option, path, is_ours, what)
    except OSError as error:
        # A name that is too long, a folder that may not be looked into.
        raise InputError(f"{option} {path}: {error.strerror}; name another file") from None


def _refuse(option: str, path: Path, is_ours: Callable[[str], bool], what: str) -> None:
    if path.is_dir():
        raise InputError(f"{option} {path} is a folder; expected a file's name in it")
    if not path.parent.is_dir():
        raise InputError(f"{option} {path}: the folder {path.parent} does not exist; make it, or name another")
    if not os.access(path.resolve().parent, os.W_OK):
        raise InputError(f"{option} {path}: nothing can be written to the folder {path.parent}")
    if not path.exists():
        return
    try:
        regular = stat.S_ISREG(path.stat().st_mode)
        text = path.read_text(encoding="utf-8") if regular else ""
    except (OSError, UnicodeDecodeError):
        regular, text = False, ""
    if not regular or (text and not is_ours(text)):
        raise InputError(f"{option} {path} exists and is no {what}; name another file")


def write(path: Path, text: str) -> None:
    """All of it, or none."""
    path = path.resolve()
    try:
        # Short, since `path.name` may be as long as a name can be.
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".torchbasics-")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
            # mkstemp's file is for its owner alone; this one is like any other new file.
            mask = os.umask(0)
            os.umask(mask)
            os.chmod(temporary, 0o666 & ~mask)
            os.replace(temporary, path)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(temporary)
    except OSError as error:
        raise InputError(f"{path} could not be written: {error.strerror}; name another file") from None
