"""What came out of a sweep: a table of the best in the terminal, and a file with every run."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from torchbasics.training.sweep.plan import Plan, short

NAME = "sweep.csv"
MOST_ROWS = 20
# By name what `torchbasics.training.sweep.one.result` gives.
Results = Mapping[str, Mapping[str, Any]]


def ranked(results: Results) -> list[str]:
    """The runs by test accuracy, the best first, and of equals by cost; those that diverged last."""

    def key(name: str) -> tuple[float, float]:
        by_engine = results[name]["results"]
        if not by_engine:
            return 1.0, 0.0
        first = next(iter(by_engine.values()))
        return -first["test_accuracy"], first["cost"]

    return sorted(results, key=key)


def show(console: Console, plan: Plan, results: Results) -> None:
    """The best runs, with the first engine's figures where both ran."""
    table = Table(box=SIMPLE_HEAD)
    for option in plan.config.varied:
        table.add_column(option.replace("_", "\n"), justify="right")
    for heading in ("test\naccuracy", "train\naccuracy", "cost", "seconds"):
        table.add_column(heading, justify="right")
    order = ranked(results)
    for name in order[:MOST_ROWS]:
        content = results[name]
        values = [short(content["hyperparameters"][option]) for option in plan.config.varied]
        if content["results"]:
            first = next(iter(content["results"].values()))
            accuracies = (f"{first[f'{part}_accuracy']:.2%}" for part in ("test", "train"))
            table.add_row(*values, *accuracies, f"{first['cost']:.6g}", f"{first['seconds']:.1f}")
        else:
            table.add_row(*values, "", "", "diverged", "")
    console.print(table)
    if len(order) > MOST_ROWS:
        console.print(f"and {len(order) - MOST_ROWS:,} more", highlight=False)


def write_csv(plan: Plan, results: Results) -> Path:
    """Every run with its hyperparameters, how it came out, and each engine's figures with all digits."""
    rows = []
    for name in ranked(results):
        content = results[name]
        row = {"run": name, **content["hyperparameters"], "outcome": content["outcome"], "why": content["why"]}
        for engine, figures in content["results"].items():
            row |= {f"{figure}_{engine}": value for figure, value in figures.items()}
        rows.append(row)
    # Those of runs that finished come first, and have every column.
    columns = list(dict.fromkeys(column for row in rows for column in row))
    temporary = plan.folder / f"{NAME}.tmp"
    with temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return temporary.replace(plan.folder / NAME)
