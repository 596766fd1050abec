"""The process that checks files, each in a fork of its own, so that torch is imported once and not once per file.

`serve` is told by `torchbasics.check.jobs` what to check, one line of JSON on standard input, and answers with one line
on standard output about how the fork ended; the report itself is a file (`torchbasics.check.transfer`). Whatever the
checked code has started ends with it: this process adopts orphans, and ends them before it answers. When its input
closes, however that came about, it ends what it runs and itself.

Nothing here starts a thread before the fork, and `jobs` keeps the libraries to one: a fork copies only the thread that
forks, and would wait for the others forever.
"""

import ctypes
import json
import os
import select
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from torchbasics.check.options import Options
from torchbasics.check.report import Report
from torchbasics.check.transfer import save

_SET_PDEATHSIG, _SET_CHILD_SUBREAPER = 1, 36  # from <linux/prctl.h>


def serve() -> None:
    """Check what standard input names until it closes. Linux only."""
    import torchbasics.check.file  # noqa: F401  # before the forks, which then have it

    _prctl(_SET_CHILD_SUBREAPER, 1)
    # Unbuffered, so that a fork can't hold a part of the next request.
    with open(0, "rb", buffering=0) as requests:
        for line in requests:
            request = json.loads(line)
            child = os.fork()
            if child == 0:
                _checked_apart(request)
            end = _wait(child, request["timeout"])
            _end_children()
            os.write(1, json.dumps(end).encode() + b"\n")


def once() -> None:
    """Check what the first argument names, in this process."""
    check(json.loads(sys.argv[1]))
    # The user's threads must not keep it.
    os._exit(0)


def check(request: dict[str, Any]) -> None:
    """Check one file and save its report."""
    path = request["path"]
    try:
        from torchbasics.check.file import check_file

        report = check_file(Path(path), options(request["options"]))
    except BaseException as error:  # also SystemExit and KeyboardInterrupt: the user's code may raise anything
        said = " ".join(str(error).split())
        report = Report(path, "unchecked", f"{type(error).__name__}{': ' if said else ''}{said}")
    if sys.platform == "linux":
        _limit_memory(None)
    save(report, Path(request["out"]))


def options(values: dict[str, Any]) -> Options:
    """Options that JSON has made lists of tuples in."""
    shape = {name: tuple(sizes) for name, sizes in values["shape"].items()}
    layers = values["layers"]
    return Options(**{**values, "shape": shape, "layers": None if layers is None else tuple(layers)})


def _checked_apart(request: dict[str, Any]) -> NoReturn:
    """What the fork does."""
    try:
        # A session of its own: what it does to its process group it does to itself.
        os.setsid()
        # Should it end us, it ends too.
        _prctl(_SET_PDEATHSIG, signal.SIGKILL)
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(null, descriptor)
        _limit_memory(request["memory"])
        check(request)
    finally:
        # Neither the user's threads nor what they have registered for the end may keep it.
        os._exit(0)


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _limit_memory(gib: float | None) -> None:
    """Let this process allocate that much more than it has, or whatever it likes.

    RLIMIT_DATA counts what a process can write to and shares with nobody: an allocation beyond it fails, in NumPy as a
    MemoryError at the line that asks. RLIMIT_AS would count the 2 GiB of torch's libraries, and on a machine with a
    GPU the address space that CUDA reserves.
    """
    import resource

    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    if gib is None:
        soft = hard
    else:
        pages = int(Path("/proc/self/statm").read_text().split()[5])
        soft = pages * resource.getpagesize() + int(gib * 2**30)
        soft = soft if hard == resource.RLIM_INFINITY else min(soft, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
    # A crash is reported by its signal; nobody wants the gigabyte that a core file takes.
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def _wait(child: int, timeout: float) -> dict[str, Any]:
    """How it ended: its exit code, negative for a signal, or None if it was still running after the timeout."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return {"code": os.waitstatus_to_exitcode(status)}
        # Nobody writes to us now: what there is to read is the end, and nobody waits for an answer any more.
        if select.select([0], [], [], 0.01)[0]:
            _end_children()
            os._exit(0)
    return {"code": None}


def _end_children() -> None:
    """Kill every child, and every child of theirs, which becomes ours when its parent ends."""
    while _any_left():
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # it has ended since
                # The name, in brackets, can hold anything; the parent is the second word behind it.
                parent = int((process / "stat").read_bytes().rpartition(b")")[2].split()[1])
                if parent == os.getpid():
                    os.kill(int(process.name), signal.SIGKILL)
        time.sleep(0.001)


def _any_left() -> bool:
    """Bury the children that have ended; whether others have not."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True
