"""From what a program does to the exit code of its process, one line on standard error where it can't be done.

| exit code | meaning |
|---|---|
| 2 | something given can't be used; one line says what, and nothing was written |
| 130 | stopped by Ctrl-C |
| 141 | whoever read the output closed it before its end |
"""

import errno
import io
import os
import sys
import warnings
from collections.abc import Callable
from typing import NoReturn, TextIO

from torchbasics.errors import InputError


def run(program: Callable[[], int]) -> NoReturn:
    """Do what `program` does and exit with the code that it returns, or with the one of what it raises."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # What the terminal can't show, such as a file's name in other letters, must not end a run.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            code = program()
            sys.stdout.flush()
            sys.exit(code)
    except InputError as error:
        # A file's name can hold anything, also what would end the line or move the cursor.
        line = "".join(letter if letter.isprintable() else "?" for letter in str(error))
        print(f"torchbasics: {line}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # Whoever read our output has closed it. Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except OSError as error:
        # What can't be printed, on a full disk, must not leave with the exit code of a verdict.
        if error.errno != errno.ENOSPC:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        print(f"torchbasics: the output can't be written: {error.strerror}", file=sys.stderr)
        sys.exit(2)


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """One line, without the place in our code that Python's own form of it shows."""
    print(f"torchbasics: {message}", file=sys.stderr)
