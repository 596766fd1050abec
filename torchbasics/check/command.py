"""`torchbasics check`: files in, reports out."""

import json
import os
import stat
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from torchbasics.check.config import CheckConfig
from torchbasics.check.options import Options
from torchbasics.check.report import Report
from torchbasics.errors import InputError


def run(config: CheckConfig, console: Console) -> int:
    """Check, print, write; the exit code. What can't be used is refused before anything is checked or written."""
    from torchbasics.check.output.page import page
    from torchbasics.check.output.terminal import show, show_table

    config.check()
    options = config.options()
    outputs: list[tuple[str, Path | None, Callable[[str], bool], Callable[[Sequence[Report]], str]]] = [
        ("--json", config.json, _is_our_json, _to_json),
        ("--html", config.html, _is_our_page, page),
    ]
    for option, path, is_ours, _ in outputs:
        if path is not None:
            _refuse_output(option, path, is_ours)
    if config.json is not None and config.html is not None and config.json.resolve() == config.html.resolve():
        raise InputError(f"--json and --html are both {config.json}; expected a file each")
    if config.run is not None:
        from torchbasics.check.output.board import refuse_used

        refuse_used(config.run)

    if config.files:
        reports = _check_files(config, options, console)
    else:
        from torchbasics.check.networks.builtin import check_builtin

        reports = check_builtin()
    if len(reports) == 1:
        show(reports[0], console)
    else:
        show_table(reports, console)

    for _, path, _, render in outputs:
        if path is not None:
            _write(path, render(reports))
            console.print(f"wrote {path}", markup=False, highlight=False, soft_wrap=True)
    if config.run is not None:
        from torchbasics.check.output.board import write

        write(reports, config.run)
        console.print(f"tensorboard --logdir {config.run}", markup=False, highlight=False, soft_wrap=True)
    return exit_code(reports)


def exit_code(reports: Sequence[Report]) -> int:
    """2 if any could not be checked, else 1 if any is wrong, else 0."""
    verdicts = {report.verdict for report in reports}
    return 2 if "unchecked" in verdicts else 1 if "wrong" in verdicts else 0


def _check_files(config: CheckConfig, options: Options, console: Console) -> list[Report]:
    from torchbasics.check.jobs import check_files

    columns = (TextColumn("checking"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    # Of one file nothing is to be seen but its report; and a log has no use for a bar.
    shown = len(config.files) > 1 and console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=not shown) as bar:
        task = bar.add_task("", total=len(config.files))
        return check_files(
            config.files,
            options,
            jobs=config.processes(),
            timeout=config.timeout,
            memory=config.memory,
            done=lambda count: bar.update(task, completed=count),
        )


def _to_json(reports: Sequence[Report]) -> str:
    return json.dumps({"files": [report.to_json() for report in reports]}, indent=2) + "\n"


def _is_our_json(text: str) -> bool:
    try:
        files = json.loads(text)["files"]
        return all("verdict" in file and "quantities" in file for file in files)
    except (ValueError, TypeError, KeyError, RecursionError):
        return False


def _is_our_page(text: str) -> bool:
    from torchbasics.check.output.page import GENERATOR

    return GENERATOR in text[:1000]


def _refuse_output(option: str, path: Path, is_ours: Callable[[str], bool]) -> None:
    """Raise `InputError` unless a report can go there: no file yet, an empty one, or a report of before."""
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
        raise InputError(f"{option} {path} exists and is no report of torchbasics check; name another file")


def _write(path: Path, text: str) -> None:
    """All of it, or none."""
    path = path.resolve()
    try:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
            # mkstemp's file is for its owner alone; a report is like any other new file.
            mask = os.umask(0)
            os.umask(mask)
            os.chmod(temporary, 0o666 & ~mask)
            os.replace(temporary, path)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(temporary)
    except OSError as error:
        raise InputError(f"{path} could not be written: {error.strerror}; name another file") from None
