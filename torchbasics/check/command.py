"""`torchbasics check`: files in, reports out."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from torchbasics import files
from torchbasics.check.config import CheckConfig
from torchbasics.check.options import Options
from torchbasics.check.report import Report
from torchbasics.errors import InputError
from torchbasics.page import is_from


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
            files.refuse(option, path, is_ours, "report of torchbasics check")
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
            files.write(path, render(reports))
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
    from torchbasics.check.output.page import PROGRAM

    return is_from(PROGRAM, text)
