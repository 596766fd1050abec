"""`python -m tests.mutants`: how many planted mistakes are found, located and named; false alarms; other checks.

The exit status is 1 where a bar is missed: every mistake found and located, 95 % of them named; both of 95 % of the
pairs found; no false alarm; every mutant proved to be one.
"""

import argparse
import os
import sys
from collections import Counter
from functools import partial

from . import EQUIVALENT, KINKS, MUTANTS, PROGRAMS, ROWS, SUBTLE, Mutant, pairs, proofs, subtle, tables
from .comparison import CHECKS, DTYPES, GROUPS, Correct, called_wrong, group_of, let_pass
from .pool import spread
from .trial import Right, Trial, equivalent, right, try_mutant, try_pair, try_right

EXACT, MOST = 1.0, 0.95
WHAT = ("mutants", "pairs", "right", "proofs", "others")


class Run:
    """What was asked for, and which bars were missed."""

    def __init__(self, asked: argparse.Namespace) -> None:
        self.asked = asked
        self.names: list[str] = asked.programs or list(PROGRAMS)
        self.missed: list[str] = []

    def of(self, mutants: list[Mutant]) -> list[Mutant]:
        """Those of the programs and causes asked for, and of these each N-th."""
        rows = set(self.asked.rows or ROWS | SUBTLE)
        own = [planted for planted in mutants if planted.program in self.names and rows & set(planted.causes)]
        return own[:: self.asked.every]

    def bar(self, what: str, reached: int, of: int, share: float) -> None:
        """Of `of`, `reached` have to be at least this share."""
        if reached < share * of:
            self.missed.append(f"{what}: {reached} of {of}, and at least {100 * share:.0f} % were to be")

    def say(self, lines: list[str]) -> None:
        """What went wrong, one by one; not between the rows of a table that is to be copied."""
        for line in lines:
            print(f"  {line}", file=sys.stderr if self.asked.markdown else sys.stdout)

    def mutants(self) -> None:
        """Single mistakes, by row of the catalogue."""
        trial = Trial()
        try_one = partial(try_mutant, seed=self.asked.seed)
        for planted, outcome in spread(try_one, self.of(MUTANTS), self.asked.jobs, "mutants"):
            trial.add(planted.row, planted.title, outcome)
        self._print_trial("row of the catalogue", trial, list(ROWS.values()))
        total = trial.total
        self.bar("mistakes found", total.found, total.mutants, EXACT)
        self.bar("mistakes located", total.located, total.mutants, EXACT)
        self.bar("mistakes named", total.named, total.mutants, MOST)

    def pairs(self) -> None:
        """Two mistakes in one file, by program."""
        trial = Trial()
        both = [pair for pair in pairs(MUTANTS) if pair.both.program in self.names][:: self.asked.every]
        for pair, outcome in spread(partial(try_pair, seed=self.asked.seed), both, self.asked.jobs, "pairs"):
            trial.add(pair.both.program, f"{pair.first.title} + {pair.second.title}", outcome)
        self._print_trial("two mistakes in one file", trial, list(PROGRAMS))
        self.bar("pairs of which both were found", trial.total.found, trial.total.mutants, MOST)

    def _print_trial(self, title: str, trial: Trial, order: list[str]) -> None:
        if not trial.total.mutants:
            return
        print(tables.of_trial(title, trial, order, markdown=self.asked.markdown))
        self.say(trial.misses)
        print()

    def right(self) -> None:
        """Correct programs at many seeds and sizes, what is equivalent to one, and what is right but for a kink."""
        for dtype in DTYPES:
            drawn = [right(PROGRAMS[name], seed, dtype) for name in self.names for seed in range(self.asked.draws)]
            self._alarms(f"correct programs, {dtype}", drawn)
        for title, listed in (("equivalent files", EQUIVALENT), ("ties and kinks", KINKS)):
            self._alarms(title, [equivalent(planted, self.asked.seed) for planted in self.of(listed)])

    def _alarms(self, title: str, files: list[Right]) -> None:
        if not files:
            return
        alarms, largest = [], 0.0
        for _, (alarm, units) in spread(try_right, files, self.asked.jobs, title):
            alarms += [alarm] if alarm else []
            largest = max(largest, units)
        print(f"{title}: {len(alarms)} of {len(files)} not found right; largest error {largest:.2f} rounding units")
        self.say(alarms)
        self.bar(f"{title} found right", len(files) - len(alarms), len(files), EXACT)
        print()

    def proofs(self) -> None:
        """That every mutant is one, and everything listed as none is none; the checker has no part in it."""
        for title, proof, listed in (
            ("mutants that differ from the right program", proofs.differs, MUTANTS),
            ("subtle mutants that differ", proofs.differs_a_little, list(subtle())),
            ("equivalent files that are equal", proofs.equals, EQUIVALENT),
            ("kinks that are in the data", proofs.agrees_off_the_kink, KINKS),
        ):
            chosen = self.of(listed)
            unproved = [one.title for one, proved in spread(proof, chosen, self.asked.jobs, title) if not proved]
            print(f"{title}: {len(chosen) - len(unproved)} of {len(chosen)}")
            self.say(unproved)
            self.bar(title, len(chosen) - len(unproved), len(chosen), EXACT)
        print()

    def others(self) -> None:
        """Gradcheck and the course's difference beside us: what each lets pass, and what it calls wrong that is not."""
        markdown = self.asked.markdown
        rows = set(self.asked.rows or SUBTLE)
        small = [one for one in subtle() if one.program in self.names and rows & set(one.causes)]
        counts: dict[str, Counter[str]] = {}
        try_all = partial(let_pass, seed=self.asked.seed)
        for planted, passes in spread(try_all, [*self.of(MUTANTS), *small], self.asked.jobs, "others"):
            row = counts.setdefault(group_of(planted) if markdown else planted.row, Counter())
            row.update({"mutants": 1, **{check: int(passed) for check, passed in passes.items()}})
            self.say([f"we let pass: {planted.title}: {name}" for name in passes if "torchb" in name and passes[name]])
        order = [row for row in (GROUPS if markdown else [*ROWS.values(), *SUBTLE.values()]) if row in counts]
        total = sum(counts.values(), Counter())
        shown = [check for check in CHECKS if not markdown or check not in ("course < 1e-7", "course < 1e-5")]
        lines = [(row, [each[column] for column in ("mutants", *shown)]) for row, each in _with_total(order, counts)]
        print(tables.table(("wrong, and let pass", "mutants", *shown), lines, markdown=markdown))
        print()
        for check in CHECKS[:2]:
            self.bar(f"mistakes found by {check}", total["mutants"] - total[check], total["mutants"], EXACT)
        self._called_wrong([check for check in shown if check != CHECKS[1]])

    def _called_wrong(self, shown: list[str]) -> None:
        alarms = {dtype: Counter[str]() for dtype in DTYPES}
        correct = [Correct(name, self.asked.seed, dtype) for name in self.names for dtype in DTYPES]
        for one, wrong in spread(called_wrong, correct, self.asked.jobs, "others, correct programs"):
            alarms[one.dtype].update({"programs": 1, **{check: int(alarm) for check, alarm in wrong.items()}})
        lines = [(dtype, [counts[column] for column in ("programs", *shown)]) for dtype, counts in alarms.items()]
        columns = ("right, and called wrong", "programs", *shown)
        print(tables.table(columns, lines, markdown=self.asked.markdown))
        print()
        for dtype, counts in alarms.items():
            found_right = counts["programs"] - counts["torchbasics check"]
            self.bar(f"correct programs found right in {dtype}", found_right, counts["programs"], EXACT)


def _with_total(order: list[str], counts: dict[str, Counter[str]]) -> list[tuple[str, Counter[str]]]:
    return [*((row, counts[row]) for row in order), ("all", sum(counts.values(), Counter()))]


def main() -> int:
    """Run what was asked for, print its tables and the bars that were missed."""
    asked = _arguments()
    run = Run(asked)
    for what in WHAT:
        if what in asked.what:
            getattr(run, what)()
    for line in run.missed:
        print(f"MISSED  {line}", file=sys.stderr)
    return 1 if run.missed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument(
        "--what",
        nargs="+",
        default=["mutants", "pairs", "right", "proofs"],
        choices=WHAT,
        help="the mutants; pairs of them in one file; correct programs; proofs, without the checker, that mutants are "
        "mutants; gradcheck and the course's metric beside us (all but the last)",
    )
    parser.add_argument("--programs", nargs="+", choices=list(PROGRAMS), metavar="NAME", help="only these")
    parser.add_argument("--rows", nargs="+", choices=[*ROWS, *SUBTLE], metavar="CAUSE", help="only these causes, by id")
    parser.add_argument("--draws", type=int, default=5, help="seeds and sizes for each correct program (5)")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only each N-th mutant and pair")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="processes (all processors)")
    parser.add_argument("--markdown", action="store_true", help="the tables as the README has them")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
