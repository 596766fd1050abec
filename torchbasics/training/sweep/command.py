"""`torchbasics sweep`: plan, train in processes under a progress bar, tell what came out."""

import math
import shlex
from collections import Counter
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.text import Text

from torchbasics.errors import InputError
from torchbasics.training.config import TrainConfig
from torchbasics.training.loop import stop_on_ctrl_c
from torchbasics.training.report import program
from torchbasics.training.sweep import table
from torchbasics.training.sweep.one import Outcome, result
from torchbasics.training.sweep.plan import Plan, alone, plan
from torchbasics.training.sweep.workers import train_all
from torchbasics.training.sweep_config import SweepConfig


def run(config: SweepConfig, console: Console) -> int:
    """Train what is still to be trained; return the exit code: 0, or 130 after Ctrl-C.

    Raises `InputError` for what can't be used, before anything is written, and at the end if a run failed. That a run
    diverged is a result.
    """
    planned = plan(config)
    count = len(planned.runs)
    jobs = config.processes(count)
    console.print(
        f"{count:,} runs of {planned.config.model} on {planned.data_name}, {jobs} at a time",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
    failed = train(planned, jobs, console)
    results = results_of(planned)
    missing = count - len(results)
    if results:
        table.show(console, planned, results)
    kinds = Counter(content["outcome"] for content in results.values())
    said = ", ".join(f"{kinds[kind]:,} {kind}" for kind in ("finished", "diverged") if kinds[kind])
    lines = {"runs": said + (", " if said else "") + f"{missing:,} not done" if missing else said}
    folder = shlex.quote(str(planned.folder))
    if results:
        lines["all of them"] = str(table.write_csv(planned, results))
        lines["compare"] = f"{program('tensorboard')} --logdir {folder}  (HParams tab)"
    if missing:
        lines["go on with"] = f"{program('torchbasics')} sweep --resume {folder}"
    for what, line in lines.items():
        console.print(f"{what + ':':12} {line}", highlight=False, markup=False, soft_wrap=True)
    if failed:
        name, why = next(iter(failed.items()))
        more = f" (and {len(failed) - 1:,} more)" if len(failed) > 1 else ""
        raise InputError(f"{name} failed{more}: {why}")
    return 130 if missing else 0


def train(plan: Plan, jobs: int, console: Console) -> dict[str, str]:
    """Train the runs that have no result yet, until all have one or Ctrl-C is pressed; which failed, and why."""
    failed: dict[str, str] = {}
    with alone(plan.folder):
        waiting = [config for name, config in plan.runs.items() if result(plan.folder / name) is None]
        done = Counter(done=len(plan.runs) - len(waiting))
        with _bar(console) as bar, stop_on_ctrl_c() as stop:
            whole = bar.add_task("runs", total=len(plan.runs), said="", completed=done["done"])
            under_way: dict[TrainConfig, TaskID] = {}

            def said() -> str:
                counts = [f"{done['done']:,}/{len(plan.runs):,}"]
                counts += [f"{done[kind]:,} {kind}" for kind in ("diverged", "failed") if done[kind]]
                return ", ".join(counts)

            def started(config: TrainConfig) -> None:
                under_way[config] = bar.add_task(f"  {config.run}", total=None, said="")
                bar.update(whole, said=said())

            def over(config: TrainConfig, outcome: Outcome) -> None:
                bar.remove_task(under_way.pop(config))
                if outcome.kind == "stopped":
                    return
                if outcome.kind == "failed":
                    assert config.run is not None
                    failed[config.run] = outcome.why
                done.update(["done", outcome.kind])
                bar.update(whole, completed=done["done"], said=said())

            train_all(waiting, min(jobs, max(1, len(waiting))), stop, started, over)
    return failed


def results_of(plan: Plan) -> dict[str, dict[str, Any]]:
    """What each run has come to that has come to something."""
    found = {name: result(plan.folder / name) for name in plan.runs}
    return {name: content for name, content in found.items() if content is not None}


class _Clock(ProgressColumn):
    """How long the sweep has to go, and how long a run has gone."""

    def render(self, task: Task) -> Text:
        seconds = task.elapsed if task.total is None else task.time_remaining
        if seconds is None:
            return Text("")
        minutes, rest = divmod(math.ceil(seconds), 60)
        return Text(f"{minutes}:{rest:02}" + ("" if task.total is None else " to go"), style="cyan")


def _bar(console: Console) -> Progress:
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TextColumn("{task.fields[said]}"), _Clock())
    # Where there is no terminal, a bar that goes leaves an empty line.
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
