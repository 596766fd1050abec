"""What a run says in the terminal: the progress bar while it trains, the table when it has."""

import os
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from torchbasics.training.log import Step

if TYPE_CHECKING:
    from torchbasics.training.run import Run


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        """Iterations per second, over the last moments."""
        return Text(f"{task.speed:,.0f} it/s" if task.speed else "", style="dim")


@contextmanager
def progress(iterations: range, console: Console) -> Iterator[Callable[[Step], None]]:
    """A bar with cost and rate; yields what moves it."""
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("cost {task.fields[cost]}"),
        _Rate(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("", total=iterations.stop, completed=iterations.start, cost="")

        def show(step: Step) -> None:
            bar.update(task, completed=step.iteration + 1, cost=f"{step.costs[0]:.6f}")

        yield show


def title(run: "Run") -> str:
    """The run in one line: network, data, and how it descends."""
    config, data = run.config, run.data
    assert config.keep_prob is not None
    batch = "" if config.batch_size is None else f", batches of {config.batch_size}"
    regularised = {"L2": config.l2, "L1": config.l1, "dropout, keep_prob": config.keep_prob % 1}
    extra = "".join(f", {name} {value:g}" for name, value in regularised.items() if value)
    model = config.model if config.cell is None else f"{config.model} ({config.cell})"
    sizes = "-".join(map(str, config.sizes))
    return (
        f"{model} {sizes} on {data.name}: {data.train.m:,} + {data.test.m:,} examples, "
        f"{config.optimizer}, learning rate {config.learning_rate:g}{batch}{extra}"
    )


def hyperparameters(run: "Run") -> dict[str, Any]:
    """What TensorBoard's HParams tab compares runs by."""
    config = run.config
    return {
        "model": config.model,
        "data": run.data.name,
        "layers": "-".join(map(str, config.sizes)),
        "activation": config.activation,
        "optimizer": config.optimizer,
        "learning_rate": config.learning_rate,
        "iterations": config.iterations,
        "batch_size": run.batches.size,
        "init": config.init,
        "l2": config.l2,
        "l1": config.l1,
        "keep_prob": config.keep_prob,
        "cell": config.cell or "",
        "seed": config.seed,
        "device": run.data.train.X.device.type,
        "dtype": config.dtype,
    }


def show(
    console: Console,
    run: "Run",
    steps: Sequence[Step],
    done: int,
    results: dict[str, dict[str, float]],
) -> None:
    """The table: cost, accuracies and seconds by engine, how far the engines part, and where to look next."""
    end = run.iterations.stop
    heading = f"after {done:,} iterations" if done == end else f"stopped after {done:,} of {end:,} iterations"
    console.print(heading, highlight=False)
    table = Table()
    table.add_column("")
    for name in results:
        table.add_column(name, justify="right")
    table.add_row("cost", *(f"{result['cost']:.6f}" for result in results.values()))
    table.add_row("train accuracy", *(f"{result['train_accuracy']:.2%}" for result in results.values()))
    table.add_row("test accuracy", *(f"{result['test_accuracy']:.2%}" for result in results.values()))
    table.add_row("seconds", *(f"{run.seconds[name]:.1f}" for name in results))
    console.print(table)
    if len(results) == 2:
        worst = max(steps, key=lambda step: step.cost_difference)
        gap = max(steps, key=lambda step: step.gap or 0)
        console.print(
            f"largest |J_manual - J_torch|    {worst.cost_difference:.2g} (iteration {worst.iteration:,})\n"
            f"largest |dW_manual - dW_torch|  {gap.gap:.2g} (iteration {gap.iteration:,})\n"
            f"largest |dW - dW_autograd|      {run.checks.largest:.2g} "
            f"(at equal parameters, {run.checks.count:,} times)",
            highlight=False,
            markup=False,
        )
    first, last = steps[0].costs[0], next(iter(results.values()))["cost"]
    if last > first and run.config.batch_size is None:
        console.print(f"the cost began at {first:.6f} and ended above it: try a smaller --learning-rate")
    folder = shlex.quote(str(run.folder))
    commands = {"curves": f"{program('tensorboard')} --logdir {folder}"}
    if done < end:
        commands["go on with"] = f"{program('torchbasics')} resume {folder}"
    if run.takes_pictures:
        commands["a picture"] = f"{program('torchbasics')} predict {folder} IMAGE"
    for what, command in commands.items():
        console.print(f"{what + ':':12} {command}", highlight=False, markup=False, soft_wrap=True)


def program(name: str) -> str:
    """How to call a program that was installed beside Python: by its name, or by its path where that isn't enough."""
    beside = Path(sys.executable).with_name(name)
    if not beside.exists() or shutil.which(name) is not None:
        return name
    return shlex.quote(os.path.relpath(beside))
