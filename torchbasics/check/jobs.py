"""Many files, each checked in a process of its own with a limit on time and on memory.

What a file does there (hang, crash, exit, print megabytes, read standard input, leave processes behind) ends in its own
report and nowhere else. On Linux a worker that has imported torch forks for every file; elsewhere, where a fork under
torch's libraries is not safe, every file gets a fresh interpreter. This is no sandbox: a file can do what its user may.
"""

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import torchbasics
from torchbasics.check import worker
from torchbasics.check.options import Options
from torchbasics.check.report import Report
from torchbasics.check.transfer import load

_FORKS = sys.platform == "linux"


def check_files(
    paths: Sequence[Path],
    options: Options,
    *,
    jobs: int,
    timeout: float,
    memory: float,
    done: Callable[[int], None] = lambda count: None,
) -> list[Report]:
    """The files' reports in the order of the files; `timeout` in seconds, `memory` in GiB, `done` is told how many are.

    A file that could not be judged has the verdict "unchecked" and the reason. On an exception, such as
    `KeyboardInterrupt`, every process that was started is ended.
    """
    checkers: list[_Checker] = [_Worker() if _FORKS else _Fresh() for _ in range(jobs)]
    idle: queue.SimpleQueue[_Checker] = queue.SimpleQueue()
    for checker in checkers:
        idle.put(checker)

    with tempfile.TemporaryDirectory(prefix="torchbasics-") as folder, ThreadPoolExecutor(jobs) as threads:

        def check(k: int, path: Path) -> Report:
            checker = idle.get()
            out = Path(folder, f"{k}.npz")
            request = {"path": str(path), "options": asdict(options), "out": str(out)}
            try:
                end = checker.check({**request, "timeout": timeout, "memory": memory})
            finally:
                idle.put(checker)
            return _report(path, out, end)

        try:
            futures = [threads.submit(check, k, path) for k, path in enumerate(paths)]
            for count, future in enumerate(as_completed(futures), start=1):
                future.result()
                done(count)
            return [future.result() for future in futures]
        finally:
            threads.shutdown(wait=False, cancel_futures=True)
            for checker in checkers:
                checker.close()


class _Checker(Protocol):
    def check(self, request: dict[str, Any]) -> str:
        """Check one file; returns how its process ended, "" for as it should."""

    def close(self) -> None:
        """End what runs, from any thread; it starts nothing afterwards."""


class _Worker:
    """A process that forks for every file, see `torchbasics.check.worker.serve`."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.closed = False
        self.process: subprocess.Popen[bytes] | None = None

    def check(self, request: dict[str, Any]) -> str:
        try:
            process = self._running()
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
            answer = json.loads(process.stdout.readline())
        except (OSError, ValueError):
            self._end()
            return "the process that watches over it has ended"
        return _ended(answer["code"], request["timeout"])

    def close(self) -> None:
        self.closed = True
        self._end()

    def _running(self) -> subprocess.Popen[bytes]:
        with self.lock:
            if self.closed:
                raise OSError("closed")
            if self.process is None:
                # Its standard error is ours: only what is wrong with this package is said there.
                self.process = _start(worker.serve, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=None)
            return self.process

    def _end(self) -> None:
        with self.lock:
            process, self.process = self.process, None
        if process is not None:
            assert process.stdin is not None
            # Its end is what tells the worker to end what it runs.
            with suppress(OSError):
                process.stdin.close()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


class _Fresh:
    """An interpreter for every file."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.closed = False
        self.process: subprocess.Popen[bytes] | None = None

    def check(self, request: dict[str, Any]) -> str:
        with self.lock:
            if self.closed:
                return "stopped"
            null = subprocess.DEVNULL
            process = self.process = _start(worker.once, json.dumps(request), stdin=null, stdout=null, stderr=null)
        try:
            code: int | None = process.wait(request["timeout"])
        except subprocess.TimeoutExpired:
            code = None
        self._end()
        return _ended(code, request["timeout"])

    def close(self) -> None:
        self.closed = True
        self._end()

    def _end(self) -> None:
        with self.lock:
            if self.process is None:
                return
            # Its group, so that what it has started ends with it; Windows knows no groups.
            with suppress(OSError):
                if hasattr(os, "killpg"):
                    os.killpg(self.process.pid, signal.SIGKILL)
                else:
                    self.process.kill()
            self.process.wait()
            self.process = None


def _start(
    function: Callable[[], None], *arguments: str, stdin: int, stdout: int, stderr: int | None
) -> "subprocess.Popen[bytes]":
    # -P, and this package's place last: a random.py in the folder that the user is in must not take random's place.
    place = str(Path(torchbasics.__file__).parents[1])
    code = f"import sys; sys.path.append({place!r}); "
    code += f"from {function.__module__} import {function.__name__}; {function.__name__}()"
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return subprocess.Popen(
        [sys.executable, "-P", "-c", code, *arguments],
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        # Out of reach of the terminal's Ctrl-C, which is ours to act on.
        start_new_session=True,
        # Agg draws without opening windows.
        env=os.environ | one_thread | {"MPLBACKEND": "Agg"},
    )


def _ended(code: int | None, timeout: float) -> str:
    if code is None:
        return f"not done after {timeout:g} s; --timeout gives it longer"
    if code == -9:
        return "killed (SIGKILL), perhaps because the machine ran out of memory"
    if code < 0:
        name = next((one.name for one in signal.Signals if one == -code), f"signal {-code}")
        return f"crashed ({name})"
    return f"ended its process with exit code {code} before it was judged"


def _report(path: Path, out: Path, end: str) -> Report:
    """The report that the process has left, or why there is none."""
    if not out.exists():
        return Report(str(path), "unchecked", end)
    try:
        return load(out)
    except ValueError:
        return Report(str(path), "unchecked", "its code has disturbed the check: what came back is no report")
