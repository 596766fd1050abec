"""`python -m tests.mutants`: how many planted mistakes are found, located and named; false alarms; other checks."""

import argparse
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from . import EQUIVALENT, KINKS, MUTANTS, PROGRAMS, ROWS, Mutant, pairs, subtle
from .trial import Alarms, Tally, Trial, judge, of_mutant, try_equivalent, try_mutants, try_pairs, try_right


def main() -> None:
    """Run what was asked for and print its tables."""
    arguments = _arguments()
    names = arguments.programs or list(PROGRAMS)
    mutants = [
        planted
        for planted in MUTANTS
        if planted.program in names and (not arguments.rows or set(planted.causes) & set(arguments.rows))
    ][:: arguments.every]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if "mutants" in arguments.what:
            _print_trial("row of the catalogue", try_mutants(mutants, arguments.seed, folder), list(ROWS.values()))
        if "pairs" in arguments.what:
            both = [pair for pair in pairs(MUTANTS) if pair.both.program in names][:: arguments.every]
            _print_trial("two mistakes in one file", try_pairs(both, arguments.seed, folder), names)
        if "right" in arguments.what:
            for dtype in ("float64", "float32"):
                programs = [PROGRAMS[name] for name in names]
                _print_alarms(f"correct programs, {dtype}", try_right(programs, arguments.draws, dtype, folder))
            for title, listed in (("equivalent files", EQUIVALENT), ("ties and kinks", KINKS)):
                _print_alarms(title, try_equivalent(_of(listed, names), arguments.seed, folder))
        if "others" in arguments.what:
            small = list(_of(subtle(), names))[:: arguments.every]
            _print_others([*mutants, *small], arguments.seed, folder)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument(
        "--what",
        nargs="+",
        default=["mutants", "pairs", "right"],
        choices=["mutants", "pairs", "right", "others"],
        help="the mutants; pairs of them in one file; correct programs; gradcheck and the course's metric beside us",
    )
    parser.add_argument("--programs", nargs="+", choices=list(PROGRAMS), metavar="NAME", help="only these")
    parser.add_argument("--rows", nargs="+", choices=list(ROWS), metavar="CAUSE", help="only these causes, by id")
    parser.add_argument("--draws", type=int, default=5, help="seeds and sizes for each correct program (5)")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only each N-th mutant and pair")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def _of(mutants: Iterable[Mutant], names: list[str]) -> Iterator[Mutant]:
    return (planted for planted in mutants if planted.program in names)


def _print_trial(title: str, trial: Trial, order: list[str]) -> None:
    print(f"{title:<58}{'mutants':>9}{'found':>9}{'located':>9}{'named':>9}")
    rows = [(row, trial.rows[row]) for row in order if row in trial.rows]
    for row, tally in [*rows, ("all", trial.total)]:
        print(f"{row:<58}{tally.mutants:>9}{tally.found:>9}{tally.located:>9}{tally.named:>9}")
    _print_shares(trial.total)
    for miss in trial.misses:
        print(f"  {miss}")
    print()


def _print_shares(total: Tally) -> None:
    shares = (f"{100 * part / max(total.mutants, 1):.1f} %" for part in (total.found, total.located, total.named))
    print(" " * 67 + "".join(f"{share:>9}" for share in shares))


def _print_alarms(title: str, alarms: Alarms) -> None:
    print(f"{title}: {len(alarms.false)} of {alarms.checks} not found right;", end=" ")
    print(f"largest error {alarms.largest_units:.2f} rounding units")
    for line in alarms.false:
        print(f"  {line}")
    print()


def _print_others(mutants: list[Mutant], seed: int, folder: Path) -> None:
    """Let pass: how many wrong gradients each check finds nothing wrong with, row by row."""
    from .others import CHECKS, verdicts

    ours = "torchbasics check"
    table: dict[str, dict[str, int]] = {}
    for planted in mutants:
        row = table.setdefault(planted.row, dict.fromkeys(("mutants", ours, *CHECKS), 0))
        row["mutants"] += 1
        row[ours] += not judge(planted, of_mutant(planted, seed, folder))[0]
        for check, passes in verdicts(planted, seed).items():
            row[check] += passes
    columns = ("mutants", ours, *CHECKS)
    print(f"{'let pass':<58}" + "".join(f"{column:>{len(column) + 3}}" for column in columns))
    total = {column: sum(row[column] for row in table.values()) for column in columns}
    for name, row in [*table.items(), ("all", total)]:
        print(f"{name:<58}" + "".join(f"{row[column]:>{len(column) + 3}}" for column in columns))
    print()


if __name__ == "__main__":
    main()
