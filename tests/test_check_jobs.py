"""Whatever a checked file does, the others are checked, nothing of it outlives the check, and its report says what.

These are tests of the processes: the check that runs in them is a stand-in, which runs the file and finds it right.
"""

import functools
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import stand_in

from torchbasics.check import jobs
from torchbasics.check.options import Options
from torchbasics.check.report import Report

linux = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere every file has an interpreter of its own")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    stand_in.install(tmp_path / "stand_in", monkeypatch)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def check(*sources: str, processes: int = 2, timeout: float = 60.0, options: Options | None = None) -> list[Report]:
    """The reports of files with these sources, and of a last one that does nothing."""
    paths = [Path(f"file{k}.py") for k in range(len(sources) + 1)]
    for path, source in zip(paths, [*sources, ""], strict=True):
        path.write_text(source)
    reports = jobs.check_files(paths, options or Options(), jobs=processes, timeout=timeout, memory=1.0)
    assert [report.file for report in reports] == [str(path) for path in paths]
    assert reports[-1].verdict == "right"
    return reports[:-1]


HOSTILE = {
    "crash": ("import ctypes; ctypes.string_at(0)", "crashed (SIGSEGV)"),
    "abort": ("import os; os.abort()", "crashed (SIGABRT)"),
    "real-time signal": ("import os; os.kill(os.getpid(), 40)", "crashed (signal 40)"),
    "killed": ("import os; os.kill(os.getpid(), 9)", "killed (SIGKILL), perhaps because the machine ran out of memory"),
    "group killed": ("import os; os.killpg(0, 9)", "killed (SIGKILL)"),
    "exit": ("import os; os._exit(0)", "ended its process with exit code 0 before it was judged"),
    "exit with a code": ("import os; os._exit(7)", "ended its process with exit code 7"),
    "sys.exit": ("import sys; sys.exit(3)", "SystemExit: 3"),
    "interrupt": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "raise": ("raise ValueError('no\\nway')", "ValueError: no way"),
    "standard input": ("input()", "EOFError: EOF when reading a line"),
    "json": ("import json; json.dumps = None", "before it was judged"),
    "no report": (
        "import numpy, sys; numpy.savez = lambda file, **arrays: file.write(b'not an archive')",
        "its code has disturbed the check: what came back is no report",
    ),
}


def test_what_a_file_does_is_its_own_report(capfd: pytest.CaptureFixture[str]) -> None:
    reports = check(*(source for source, _ in HOSTILE.values()))
    for (_, reason), report in zip(HOSTILE.values(), reports, strict=True):
        assert report.verdict == "unchecked"
        assert reason in report.reason
    assert capfd.readouterr() == ("", "")


def test_without_a_fork_as_well(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_FORKS", False)
    names = ["crash", "exit", "sys.exit", "standard input", "no report"]
    hang = "import threading; threading.Thread(target=threading.Event().wait).start()"
    *reports, threaded = check(*(HOSTILE[name][0] for name in names), hang)
    for name, report in zip(names, reports, strict=True):
        assert HOSTILE[name][1] in report.reason
    assert threaded.verdict == "right"
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("forks", [pytest.param(True, marks=linux), False])
def test_a_file_that_hangs_is_stopped(forks: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_FORKS", forks)
    deaf = "import os, signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); os.kill(os.getpid(), signal.SIGSTOP)"
    Path("hang.py").write_text("while True: pass")
    Path("deaf.py").write_text(deaf)
    paths = [Path("hang.py"), Path("deaf.py")]
    reports = jobs.check_files(paths, Options(), jobs=2, timeout=0.1, memory=1.0)
    assert [report.reason for report in reports] == ["not done after 0.1 s; --timeout gives it longer"] * 2


@linux
def test_what_it_prints_goes_nowhere(capfd: pytest.CaptureFixture[str]) -> None:
    loud = "import os, sys; print('x' * 30_000_000); os.write(1, b'y' * 9_000_000); print('z', file=sys.stderr)"
    (report,) = check(loud)
    assert report.verdict == "right"
    assert capfd.readouterr() == ("", "")


@linux
def test_memory_is_limited_where_it_is_asked_for() -> None:
    greedy, caught = check("bytearray(2 << 30)", "try: bytearray(2 << 30)\nexcept MemoryError: pass")
    assert (greedy.verdict, greedy.reason) == ("unchecked", "MemoryError")
    # What a limit of 1 GiB has left of it is enough to go on, and to report.
    assert caught.verdict == "right"


@linux
@pytest.mark.parametrize(
    "then", ["", "while True: pass", "import os; os._exit(0)", "import os; os.kill(os.getpid(), 11)"]
)
def test_what_a_file_has_started_ends_with_it(then: str) -> None:
    source = f"""
import os, subprocess
sleeper = "import os; open('pids', 'a').write(f'{{os.getpid()}}\\\\n'); print(flush=True); os.read(0, 1)"
def start(**options):
    import sys
    command = [sys.executable, "-S", "-c", sleeper]
    process = subprocess.Popen(command, stdin=ends[0], stdout=subprocess.PIPE, **options)
    process.stdout.readline()
ends = os.pipe()
start()
start(start_new_session=True)
# A daemon, of which its parent's parent knows nothing.
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        start()
        os.read(ends[0], 1)
    os._exit(0)
os.wait()
{then}
"""
    Path("starts.py").write_text(source)
    jobs.check_files([Path("starts.py")], Options(), jobs=1, timeout=3.0 if "while" in then else 60.0, memory=1.0)
    pids = [int(pid) for pid in Path("pids").read_text().split()]
    assert len(pids) >= 2
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_thread_that_never_ends_keeps_nothing() -> None:
    (report,) = check("import threading; threading.Thread(target=threading.Event().wait).start()")
    assert report.verdict == "right"


@linux
def test_nothing_remains_of_one_file_when_the_next_is_checked() -> None:
    changes = "import os, sys; os.environ['MARK'] = '1'; sys.mark = 1; os.chdir('/'); sys.setrecursionlimit(99)"
    looks = "import os, sys; assert 'MARK' not in os.environ and not hasattr(sys, 'mark') and os.getcwd() != '/'"
    assert [report.verdict for report in check(changes, looks, changes, looks, processes=1)] == ["right"] * 4


@linux
def test_a_worker_that_is_killed_is_replaced() -> None:
    os.mkfifo("alive")
    alive = os.open("alive", os.O_RDONLY | os.O_NONBLOCK)
    source = "import os; pipe = os.open('alive', os.O_WRONLY); os.kill(os.getppid(), 9)\nwhile True: pass"
    first, second = check(source, "", processes=1)
    # The pipe ends when those that hold it do.
    os.set_blocking(alive, True)
    assert os.read(alive, 1) == b""
    os.close(alive)
    assert first.reason == "the process that watches over it has ended"
    assert second.verdict == "right"


def test_options_arrive_and_pictures_come_back() -> None:
    options = Options("f", "c", "b", {"W1": (5, 4), "b": ()}, (5, 4, 1), 3, "float32")
    (report,) = check("", options=options)
    assert report.reason == repr(options)
    Path("wrong.py").write_text("")
    (report,) = jobs.check_files([Path("wrong.py")], Options(), jobs=1, timeout=60.0, memory=1.0)
    (quantity,) = report.wrong
    assert quantity.differs is not None
    assert quantity.differs.tolist() == [[True, False]]


def test_a_module_beside_the_user_does_not_take_the_place_of_ours() -> None:
    for name in ("random", "json", "torch", "torchbasics"):
        Path(f"{name}.py").write_text("raise AssertionError")
    (report,) = check("import random; random.random()")
    assert (report.verdict, report.reason) == ("right", repr(Options()))


def test_progress_is_told_of_each() -> None:
    Path("a.py").write_text("")
    told: list[int] = []
    jobs.check_files([Path("a.py")] * 3, Options(), jobs=2, timeout=60.0, memory=1.0, done=told.append)
    assert told == [1, 2, 3]


@linux
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_however_it_is_stopped(
    end: signal.Signals, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(folder / "temporary"))
    os.mkfifo("alive")
    # Two processes have the pipe open for writing, until they end.
    source = (
        "import os; pipe = os.open('alive', os.O_WRONLY); child = os.fork(); os.write(pipe, b'x')\nwhile True: pass"
    )
    Path("hang.py").write_text(source)
    command = [sys.executable, "-m", "torchbasics", "check", "hang.py"]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        process_group=0,
        # What a shell starts in the background ignores Ctrl-C, and so does what that starts, this test's run included.
        preexec_fn=functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    with process, open("alive", "rb") as alive:
        assert alive.read(2) == b"xx"
        os.killpg(process.pid, end)
        # The pipe ends when the last of those that hold it does.
        assert alive.read() == b""
        assert process.wait() == (130 if end == signal.SIGINT else -end)
        assert process.stdout is not None
        assert process.stderr is not None
        assert (process.stdout.read(), process.stderr.read()) == (b"", b"")
    if end == signal.SIGINT:
        assert list((folder / "temporary").iterdir()) == []
