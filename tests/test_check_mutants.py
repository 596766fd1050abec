"""The mistakes that the checker is judged by are mistakes, and what is listed as none is none: proved without it.

And a sample of what `python -m tests.mutants` tries, in a process of its own: its exit status is what counts.
"""

import subprocess
import sys
from pathlib import Path

import pytest
from mutants import EQUIVALENT, KINKS, MUTANTS, PROGRAMS, ROWS, SUBTLE, Mutant, Pair, pairs, proofs, subtle
from mutants.comparison import GROUPS
from mutants.others import CHECKS, verdicts
from mutants.trial import Outcome, Trial, judge, judge_pair, of_mutant, try_pair

from torchbasics.check.report import Cause, Quantity, Report

SUBTLE_MUTANTS = list(subtle())
PAIRS = pairs(MUTANTS)
# Catalogue rows that no source alone shows: ties are in the data, and stand among the kinks.
IN_DATA = {"pool_ties"}


@pytest.mark.parametrize("program", PROGRAMS)
def test_mutants_differ_from_the_right_program(program: str) -> None:
    own = [planted for planted in MUTANTS if planted.program == program]
    assert own
    assert [planted.title for planted in own if not proofs.differs(planted)] == []


def test_subtle_mutants_differ_a_little() -> None:
    assert [planted.title for planted in SUBTLE_MUTANTS if not proofs.differs_a_little(planted)] == []
    assert {planted.causes[0] for planted in SUBTLE_MUTANTS} == SUBTLE.keys()


@pytest.mark.parametrize("planted", EQUIVALENT, ids=lambda planted: planted.title)
def test_an_equivalent_is_equal_at_twenty_draws(planted: Mutant) -> None:
    assert proofs.equals(planted)


@pytest.mark.parametrize("planted", KINKS, ids=lambda planted: planted.title)
def test_a_kink_is_in_the_data(planted: Mutant) -> None:
    assert proofs.agrees_off_the_kink(planted)


def test_a_proof_can_fail() -> None:
    right = Mutant("two_layer_tanh", "dW1", "factor_two", ())
    assert not proofs.differs(right)
    assert not proofs.differs_a_little(right)
    assert not proofs.equals(next(planted for planted in MUTANTS if planted.program == "logistic"))
    wrong = next(planted for planted in MUTANTS if planted.program == "softmax_rows")
    assert not proofs.agrees_off_the_kink(wrong)


def test_every_row_has_its_mutants() -> None:
    assert {planted.causes[0] for planted in MUTANTS} == ROWS.keys() - IN_DATA
    assert {kink.causes[0] for kink in KINKS} >= IN_DATA
    assert all(set(planted.causes) <= ROWS.keys() for planted in MUTANTS)


def test_every_row_is_in_one_row_of_the_short_table() -> None:
    causes = [cause for group in GROUPS.values() for cause in group]
    assert sorted(causes) == sorted(ROWS | SUBTLE)
    assert len(GROUPS) <= 12


def test_no_mutant_is_there_twice() -> None:
    sources = [(planted.program, planted.source, planted.sizes) for planted in MUTANTS]
    assert len(sources) == len(set(sources))
    assert len(MUTANTS) >= 300


def test_pairs_are_two_mistakes_at_different_quantities() -> None:
    assert len(PAIRS) >= 100
    for pair in PAIRS:
        assert pair.first.quantity != pair.second.quantity
        sources = {pair.first.source, pair.second.source, pair.both.source, PROGRAMS[pair.both.program].source}
        assert len(sources) == 4


def said(*names: str, causes: tuple[str, ...] = ()) -> Report:
    """A report in which these are wrong, each for these causes."""
    quantities = [
        Quantity(
            name, "wrong", 1, (2,), 99.0, 1.0, (0,), 1.0, 2.0, "autograd", causes=[Cause(c, "", "") for c in causes]
        )
        for name in names
    ]
    return Report("file.py", "wrong" if names else "right", quantities=quantities)


PLANTED = Mutant("two_layer_relu", "dZ1|dW1", "sign_flipped|operand_sign", ())


@pytest.mark.parametrize(
    ("report", "outcome"),
    [
        (said("dZ1", "dW1", causes=("operand_sign",)), (True, True, True)),
        (said("dZ1 (t = 2)", causes=("factor_two", "sign_flipped")), (True, True, True)),
        (said("dZ1", causes=("factor_two",)), (True, True, False)),
        (said("dZ1"), (True, True, False)),
        (said("dZ12", causes=("sign_flipped",)), (True, False, False)),
        (said("dA1", "dZ1", causes=("sign_flipped",)), (True, False, False)),
        (said(), (False, False, False)),
        (Report("file.py", "unchecked", "no forward"), (False, False, False)),
    ],
)
def test_a_mutant_is_judged_by_the_first_wrong_quantity(report: Report, outcome: tuple[bool, bool, bool]) -> None:
    assert judge(PLANTED, report) == outcome


def test_a_pair_needs_both() -> None:
    pair = Pair(PLANTED, Mutant("two_layer_relu", "db1", "sign_flipped", ()))
    assert judge_pair(pair, said("dZ1", "db1", causes=("sign_flipped",))) == (True, True, True)
    assert judge_pair(pair, said("dZ1", "db1", causes=("operand_sign",))) == (True, True, False)
    assert judge_pair(pair, said("db1", "db2", causes=("sign_flipped",))) == (False, False, False)


def test_a_trial_tells_what_was_missed() -> None:
    trial = Trial()
    trial.add("row", "first", Outcome(True, True, True, "wrong dZ1"))
    trial.add("row", "second", Outcome(True, False, False, "wrong dA1"))
    trial.add("another", "third", Outcome(False, False, False, "right"))
    assert (trial.total.mutants, trial.total.found, trial.total.located, trial.total.named) == (3, 2, 1, 1)
    assert trial.rows["row"].found == 2
    assert trial.misses == ["elsewhere: second: wrong dA1", "missed: third: right"]


@pytest.mark.parametrize("name", ["two_layer_tanh", "logistic", "conv", "softmax_rows"])
def test_the_other_checks_pass_what_is_right(name: str) -> None:
    assert all(verdicts(Mutant(name, "", "", ()), 0).values())


def test_the_other_checks_pass_nothing_in_float32() -> None:
    assert not any(verdicts(Mutant("two_layer_tanh", "", "", ()), 0, "float32").values())


def test_the_other_checks_find_a_sign_and_let_a_lost_small_entry_pass() -> None:
    sign = next(each for each in MUTANTS if (each.program, each.quantity) == ("units", "dW1") and "sign" in each.cause)
    assert not any(verdicts(sign, 0).values())
    small = next(each for each in SUBTLE_MUTANTS if each.cause == "small_entries_zeroed")
    assert verdicts(small, 0) == {name: name not in ("course < 2e-7", "course < 1e-7") for name in CHECKS}
    scaled = next(each for each in SUBTLE_MUTANTS if each.cause == "scaled_slightly")
    assert verdicts(scaled, 0) == {name: "gradcheck" in name for name in CHECKS}


def test_the_course_difference_reads_another_shape_as_the_same() -> None:
    transposed = next(
        each for each in MUTANTS if (each.program, each.quantity) == ("logistic", "dw") and "transpose" in each.cause
    )
    assert verdicts(transposed, 0) == {name: "course" in name for name in CHECKS}


def test_a_sample_of_the_others_reaches_every_bar() -> None:
    # What else `python -m tests.mutants` does is tried below on a few programs, and whole in CI.
    command = [sys.executable, "-m", "tests.mutants", "--jobs", "1", "--what", "others"]
    command += ["--every", "80", "--programs", "logistic", "units"]
    run = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def test_a_missed_bar_is_an_exit_status() -> None:
    command = [sys.executable, "-c", CALLED_RIGHT, "--jobs", "1", "--programs", "units", "--every", "20"]
    run = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert run.stderr.count("MISSED") == 4  # found, located, named; and no pairs of two


CALLED_RIGHT = """
import sys
from tests.mutants import __main__, trial
from torchbasics.check.report import Report

trial.check_file = lambda path, asked: Report(str(path), "right")
sys.exit(__main__.main())
"""


# One program of each way of writing.
@pytest.mark.parametrize("program", ["logistic", "linear_regression", "l_layer", "softmax_rows", "units", "embedding"])
def test_mistakes_are_found_and_located(program: str) -> None:
    own = [planted for planted in MUTANTS if planted.program == program]
    for planted in own[:: len(own) // 2]:
        said = of_mutant(planted, 1)
        assert judge(planted, said)[:2] == (True, True), str(said)


def test_both_of_two_mistakes_are_found() -> None:
    pair = next(pair for pair in PAIRS if pair.both.program == "linear_regression")
    assert try_pair(pair).found
