"""`torchbasics lessons`: lists them, or runs some one after another, each as a process of its own."""

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from torchbasics import files
from torchbasics.errors import InputError
from torchbasics.lessons import catalogue
from torchbasics.lessons.catalogue import Entry
from torchbasics.lessons.config import LessonsConfig
from torchbasics.lessons.page import PROGRAM, page
from torchbasics.lessons.results import Result, newest
from torchbasics.page import is_from

# What a lesson may take to close its files after Ctrl-C.
GRACE_SECONDS = 10.0


def run(config: LessonsConfig, console: Console) -> int:
    """List or run; the exit code. What can't be used is refused before any lesson starts."""
    config.check()
    if not console.is_terminal:
        # A log, which is taken for 80 columns, would get narrow cells of many lines.
        console.width = max(console.width, 120)
    every = catalogue.lessons()
    if not config.lessons:
        _list(every, config.runs_dir, console)
        return 0
    entries = catalogue.chosen(config.lessons)
    commands = {entry: [*_command(entry, config), *_data(entry, config.data_dir)] for entry in entries}
    if config.data_dir is not None and not any(entry.data for entry in entries):
        raise InputError(f"--data-dir {config.data_dir}: none of these lessons takes data; leave it out")
    path = _page_path(config)

    results: dict[Entry, Result] = {}
    failed: dict[Entry, int] = {}
    stopped = False
    try:
        for entry, command in commands.items():
            before = newest(config.runs_dir, entry.name)
            code = _start(command, entry.script.parent)
            result = newest(config.runs_dir, entry.name)
            # An exception that nobody caught ends with 1 too, but leaves no verdict.
            if code in (0, 1) and result is not None and (before is None or result.folder != before.folder):
                results[entry] = result
            else:
                failed[entry] = code
            console.print()
    except KeyboardInterrupt:
        stopped = True
    _show(entries, results, failed, console)
    known = {entry: results.get(entry) or newest(config.runs_dir, entry.name) for entry in every}
    files.write(path, page(known, failed))
    logdir = shlex.quote(str(config.runs_dir / "lessons"))
    for what, where in (("page:", str(path)), ("curves:", f"tensorboard --logdir {logdir}")):
        console.print(f"{what:9} {where}", highlight=False, markup=False, soft_wrap=True)
    if stopped:
        return 130
    return 2 if failed else 0 if all(result.holds for result in results.values()) else 1


def _command(entry: Entry, config: LessonsConfig) -> list[str]:
    seed = [] if config.seed is None else ["--seed", str(config.seed)]
    return [sys.executable, str(entry.script), *seed, "--runs-dir", str(config.runs_dir)]


def _data(entry: Entry, folder: Path | None) -> list[str]:
    """The lesson's --data, if it has that option and a folder was given. Raises `InputError` for a file not there."""
    if folder is None or entry.data is None:
        return []
    path = folder / entry.data
    if not path.is_file():
        raise InputError(
            f"--data-dir {folder}: {entry.data} is not there, which lesson {entry.number}, {entry.name}, needs; "
            "name the folder that has it, or leave --data-dir out"
        )
    return ["--data", str(path)]


def _page_path(config: LessonsConfig) -> Path:
    """Where the page can be written, in a folder that is there. Raises `InputError` if it can't be."""
    folder = config.runs_dir / "lessons"
    path = config.page or folder / "index.html"
    if config.page is not None:
        files.refuse("--page", path, _is_ours, f"page of {PROGRAM}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"can't make {folder}: {error.strerror}; choose another --runs-dir") from error
    if config.page is None:
        files.refuse("--page", path, _is_ours, f"page of {PROGRAM}")
    return path


def _is_ours(text: str) -> bool:
    return is_from(PROGRAM, text)


def _start(command: Sequence[str], scripts: Path) -> int:
    """Run a lesson, which writes to our terminal itself; its exit code. Raises `KeyboardInterrupt` if stopped."""
    environment = dict(os.environ)
    if scripts == catalogue.FOLDERS[-1]:
        # A clone need not be installed.
        known = environment.get("PYTHONPATH")
        environment["PYTHONPATH"] = os.pathsep.join([str(scripts.parent), *([known] if known else [])])
    sys.stdout.flush()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, env=environment)
    try:
        code = process.wait()
    except KeyboardInterrupt:
        # The terminal's Ctrl-C has reached the lesson as well.
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_SECONDS)
        raise
    finally:
        process.kill()
        process.wait()
    if code in (130, -signal.SIGINT):
        raise KeyboardInterrupt
    return code


def _list(entries: Sequence[Entry], runs_dir: Path, console: Console) -> None:
    table = Table(box=SIMPLE_HEAD)
    table.add_column("", justify="right")
    for heading in ("lesson", "claim", "verdict"):
        table.add_column(heading, no_wrap=heading != "claim")
    for entry in entries:
        table.add_row(str(entry.number), entry.name, Text(entry.claim), _verdict(newest(runs_dir, entry.name)))
    console.print(table)
    for line in ("run some:  torchbasics lessons 1 2", "run all:   torchbasics lessons all"):
        console.print(line, highlight=False)


def _show(
    entries: Sequence[Entry], results: Mapping[Entry, Result], failed: Mapping[Entry, int], console: Console
) -> None:
    """The table of what these lessons came to; those that failed are named once more below it."""
    table = Table(box=SIMPLE_HEAD)
    for heading in ("", "lesson", "verdict", "found", "seconds"):
        right = heading in ("", "seconds")
        table.add_column(heading, justify="right" if right else "left", no_wrap=heading != "found")
    for entry in entries:
        result = results.get(entry)
        verdict = _verdict(result, failed=entry in failed)
        found, seconds = ("", "") if result is None else (result.words, f"{result.seconds:.1f}")
        table.add_row(str(entry.number), entry.name, verdict, Text(found), seconds)
    console.print(table)
    if failed:
        names = ", ".join(f"{entry.number} {entry.name} (exit code {code})" for entry, code in failed.items())
        console.print(f"failed:   {names}", highlight=False, markup=False, soft_wrap=True)


def _verdict(result: Result | None, *, failed: bool = False) -> Text:
    if failed:
        return Text("failed", style="yellow")
    if result is None:
        return Text("not run", style="dim")
    return Text(result.verdict, style="green" if result.holds else "red")
