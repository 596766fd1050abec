"""The mistakes that the checker is judged by are mistakes, and what is listed as none is none: proved without it."""

import copy
from pathlib import Path

import numpy as np
import pytest
from mutants import EQUIVALENT, KINKS, MUTANTS, PROGRAMS, ROWS, Mutant, Pair, pairs, subtle
from mutants.others import CHECKS, verdicts
from mutants.programs import Array, Inputs, cost, draw, gradients, load
from mutants.trial import judge, judge_pair, of_mutant, try_equivalent, try_mutants, try_pairs

from torchbasics.check.report import Cause, Quantity, Report

SUBTLE_MUTANTS = list(subtle())
PAIRS = pairs(MUTANTS)
# Catalogue rows that no source alone shows: ties are in the data, and stand among the kinks.
IN_DATA = {"pool_ties"}


def both(planted: Mutant, seed: int) -> tuple[dict[str, Array], dict[str, Array]]:
    """The right gradients and the mutant's at the same inputs."""
    program = PROGRAMS[planted.program]
    namespace = load(planted.source)
    inputs = draw(program, namespace, seed, planted.sizes)
    right = gradients(program, load(program.source), copy.deepcopy(inputs))
    if planted.causes[0] == "gradients_not_zeroed":
        # What is left over from one call to the next shows in the second.
        gradients(program, namespace, copy.deepcopy(inputs))
    return right, gradients(program, namespace, copy.deepcopy(inputs))


def error(right: dict[str, Array], wrong: dict[str, Array]) -> float:
    """The largest difference relative to the largest entry; infinite where shapes differ."""
    largest = 0.0
    for name, value in right.items():
        if name not in wrong or wrong[name].shape != value.shape:
            return np.inf
        largest = max(largest, float(np.max(np.abs(wrong[name] - value)) / np.max(np.abs(value))))
    return largest


@pytest.mark.parametrize("planted", MUTANTS, ids=lambda planted: planted.title)
def test_a_mutant_differs_from_the_right_program(planted: Mutant) -> None:
    assert min(error(*both(planted, seed)) for seed in (0, 1)) > 1e-6


@pytest.mark.parametrize("planted", SUBTLE_MUTANTS, ids=lambda planted: planted.title)
def test_a_subtle_mutant_differs_a_little(planted: Mutant) -> None:
    # Zeroing entries under 1e-5 is a relative error of 1e-5 or so, far above the rounding of 1e-16.
    assert min(error(*both(planted, seed)) for seed in (0, 1)) > 1e-9


@pytest.mark.parametrize("planted", EQUIVALENT, ids=lambda planted: planted.title)
def test_an_equivalent_is_equal_at_twenty_draws(planted: Mutant) -> None:
    for seed in range(20):
        right, other = both(planted, seed)
        assert right.keys() == other.keys()
        assert error(right, other) < 1e-13


def test_an_equivalent_keeps_the_cost() -> None:
    for planted in EQUIVALENT:
        program = PROGRAMS[planted.program]
        inputs: Inputs = draw(program, load(program.source), 0)
        assert cost(program, load(planted.source), copy.deepcopy(inputs)) == cost(program, load(program.source), inputs)


@pytest.mark.parametrize("planted", KINKS, ids=lambda planted: planted.title)
def test_a_kink_is_in_the_data(planted: Mutant) -> None:
    # Moved a little off the kink, the file and the program agree.
    program = PROGRAMS[planted.program]
    inputs = draw(program, load(planted.source), 0)
    random = np.random.default_rng(0)
    moved = {
        name: value + 1e-3 * random.normal(size=value.shape)
        if isinstance(value, np.ndarray) and value.dtype == float
        else value
        for name, value in inputs.items()
    }
    right, other = (gradients(program, load(source), moved) for source in (program.source, planted.source))
    assert error(right, other) < 1e-13


def test_every_row_has_its_mutants() -> None:
    assert {planted.causes[0] for planted in MUTANTS} == ROWS.keys() - IN_DATA
    assert {kink.causes[0] for kink in KINKS} >= IN_DATA
    assert all(set(planted.causes) <= ROWS.keys() for planted in MUTANTS)


def test_no_mutant_is_there_twice() -> None:
    sources = [(planted.program, planted.source, planted.sizes) for planted in MUTANTS]
    assert len(sources) == len(set(sources))


def test_there_are_mutants_of_every_program() -> None:
    assert {planted.program for planted in MUTANTS} == PROGRAMS.keys()
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


@pytest.mark.parametrize("name", ["two_layer_tanh", "logistic", "conv", "softmax_rows"])
def test_the_other_checks_pass_what_is_right(name: str) -> None:
    assert all(verdicts(Mutant(name, "", "", ()), 0).values())


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


FIRST_OF_ROW = list({planted.causes[0]: planted for planted in reversed(MUTANTS)}.values())


@pytest.mark.parametrize("planted", FIRST_OF_ROW, ids=lambda planted: planted.title)
def test_one_mistake_of_every_row_is_found_located_and_named(planted: Mutant, tmp_path: Path) -> None:
    report = of_mutant(planted, 1, tmp_path)
    assert judge(planted, report) == (True, True, True), str(report)


@pytest.mark.slow
def test_every_mistake_is_found_and_located_and_most_are_named(tmp_path: Path) -> None:
    trial = try_mutants(MUTANTS, 0, tmp_path)
    assert trial.total.found == trial.total.located == len(MUTANTS), "\n".join(trial.misses)
    assert trial.total.named >= 0.95 * len(MUTANTS), "\n".join(trial.misses)


@pytest.mark.slow
def test_most_pairs_are_both_found(tmp_path: Path) -> None:
    trial = try_pairs(PAIRS, 0, tmp_path)
    assert trial.total.found >= 0.95 * len(PAIRS), "\n".join(trial.misses)


@pytest.mark.parametrize("planted", SUBTLE_MUTANTS[::6], ids=lambda planted: planted.title)
def test_what_others_let_pass_is_found(planted: Mutant, tmp_path: Path) -> None:
    found, located, _ = judge(planted, of_mutant(planted, 0, tmp_path))
    assert found
    assert located


@pytest.mark.parametrize("planted", [*EQUIVALENT, *KINKS], ids=lambda planted: planted.title)
def test_what_is_no_mistake_is_right(planted: Mutant, tmp_path: Path) -> None:
    assert try_equivalent([planted], 0, tmp_path).false == []
