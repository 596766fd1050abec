"""Every row of the catalogue, planted in a learner's gradient, is named; noise and small damage are not."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import diagnosis_models as models
import diagnosis_sequences as sequences
import numpy as np
import pytest
from diagnosis_cases import CASES, Case, Values, autograd, dropout, l2, named_dA, no_dA, relu, tanh
from diagnosis_planted import damaged, planted
from diagnosis_steps import Program
from hypothesis import given, settings
from hypothesis import strategies as st

from torchbasics.check.diagnosis import diagnose
from torchbasics.check.step import Array, Step

both_dtypes = pytest.mark.parametrize("single", [False, True], ids=["float64", "float32"])
PROGRAMS: list[tuple[Callable[[np.random.Generator], Program], str]] = [
    (tanh, "W1"),
    (relu, "Z1"),
    (l2, "W2"),
    (dropout, "H1"),
    (models.logistic, "w"),
    (models.rows, "scores"),
    (models.softmax, "Z"),
    (models.batch_norm, "Z1"),
    (models.convolution, "A_prev"),
    (models.pool, "A_prev"),
    (sequences.recurrent, "Waa"),
    (sequences.many_to_one, "Wx"),
    (models.gated, "G"),
    (models.embedding, "E"),
]
every_program = pytest.mark.parametrize(
    ("make", "of"), PROGRAMS, ids=[f"{i}-{of}" for i, (_, of) in enumerate(PROGRAMS)]
)


def named(case: Case, seed: int, single: bool) -> bool:
    step, _ = planted(case, seed, single)
    causes, _ = diagnose(step)
    # A ratio of small sizes is never certain, whatever else is known.
    assert all(cause.certain == (len(causes) == 1) for cause in causes if cause.id != "divided_by_other")
    for cause in causes:
        assert "{" not in cause.text
        assert cause.formula.startswith(f"d{step.of} = ")
    ids = [cause.id for cause in causes]
    return case[0] in ids and (case[0] == ids[0] or not causes[0].certain)


@both_dtypes
@pytest.mark.parametrize("case", CASES, ids=[f"{case[0]}-{case[2]}-{i}" for i, case in enumerate(CASES)])
def test_a_planted_mistake_is_named(case: Case, single: bool) -> None:
    # One step in hundreds is so ill-conditioned that what is wrong with it can't be told to rounding.
    assert sum(named(case, seed, single) for seed in range(3)) >= 2


@both_dtypes
@every_program
def test_noise_has_no_cause(make: Callable[[np.random.Generator], Program], of: str, single: bool) -> None:
    random = np.random.default_rng(11)
    step = damaged(make, of, lambda right: right * (1 + 1e-2 * random.normal(size=right.shape)), single)
    causes, note = diagnose(step)
    assert causes == []
    assert note


@every_program
def test_small_damage_has_no_cause(make: Callable[[np.random.Generator], Program], of: str) -> None:
    def one_entry(right: Array) -> Array:
        right[np.unravel_index(np.abs(right).argmax(), right.shape)] *= 1.5
        return right

    assert diagnose(damaged(make, of, lambda right: 1.0009 * right))[0] == []
    assert diagnose(damaged(make, of, one_entry))[0] == []


def test_a_factor_that_is_no_number_of_the_step_is_said() -> None:
    causes, note = diagnose(damaged(tanh, "W1", lambda right: 1.0009 * right))
    assert causes == []
    assert note.startswith("it is 1.0009 times the right value everywhere")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda right: np.where(right == right.max(), np.nan, right), "1 of 33 entries are NaN"),
        (lambda right: np.full(right.shape, np.inf), "33 of 33 entries are inf, the first at (0, 0)"),
        (np.zeros_like, "all entries are zero"),
        (lambda right: right[:, :-1], "shape (3, 10), expected (3, 11)"),
        (lambda right: right[:0], "it is empty"),
        (lambda right: right * np.array([[1], [1], [1.7]]), "wrong only in rows 2; the other 2 are right"),
        (lambda right: right + 0.3 * (np.arange(11) == 5), "wrong only in columns 5; the other 10 are right"),
        (lambda right: np.where(right == right.max(), 0, right), "one entry is wrong"),
    ],
)  # fmt: skip
def test_what_is_known_is_said(damage: Callable[[Array], Array], said: str) -> None:
    def make(random: np.random.Generator) -> Program:
        program = models.two_layers(random)
        program.inputs |= {"W1": random.normal(size=(3, 11)), "b1": random.normal(size=(3, 1))}
        program.inputs |= {"X": random.normal(size=(11, program.m)), "W2": random.normal(size=(1, 3))}
        return program

    causes, note = diagnose(damaged(make, "W1", damage))
    assert causes == []
    assert said in note


def test_entries_under_a_threshold_that_were_zeroed_are_noticed() -> None:
    def make(random: np.random.Generator) -> Program:
        program = models.two_layers(random)
        program.inputs["X"][::2] *= 1e-6
        return program

    causes, note = diagnose(damaged(make, "W1", lambda right: np.where(np.abs(right) < 1e-5, 0, right)))
    assert causes == []
    assert "wrong entries are zero, and the right ones all smaller than 1e-5" in note


def test_only_the_examples_that_are_wrong_are_said() -> None:
    step = damaged(tanh, "Z1", lambda right: right * np.where(np.arange(right.shape[1]) == 1, 3.3, 1.0))
    assert "wrong only in columns 1 (examples)" in diagnose(step)[1]


@both_dtypes
def test_two_mistakes_at_once_are_both_named(single: bool) -> None:
    case: Case = ("", tanh, "Z1", lambda v: -v["dA1"] * (1 - v["Z1"] ** 2) / v["m"])
    causes, _ = diagnose(planted(case, 3, single)[0])
    # A sign and a 1/m in one number are told by neither alone.
    assert causes == []
    case = ("", tanh, "Z1", lambda v: -v["dA1"] * (1 - v["Z1"] ** 2))
    causes, _ = diagnose(planted(case, 3, single)[0])
    assert [cause.id for cause in causes] == ["derivative_fed_Z", "sign_flipped"]
    assert all(cause.certain for cause in causes)


def test_numbers_that_coincide_are_all_named() -> None:
    program = tanh(np.random.default_rng(1))
    n = program.inputs["W1"].shape[0]
    # As many units below as there are above: what it was divided by can't be told.
    program.inputs["W1"], program.inputs["X"] = np.ones((n, n)) + np.eye(n), np.ones((n, program.m)) * 0.1
    right = program.gradients()
    step = program.step("W2", right["dW2"] * program.m / n, right)
    causes, _ = diagnose(step)
    assert causes[0].id == "divided_by_other"
    assert f"= {n}, not by m = {program.m}" in causes[0].text


def test_relu_without_its_mask_has_two_names() -> None:
    causes, _ = diagnose(planted(("", relu, "Z1", lambda v: v["dA1"]), 2, False)[0])
    assert {cause.id for cause in causes} == {"derivative_missing", "mask_always_true"}
    assert not any(cause.certain for cause in causes)


@pytest.mark.parametrize(
    ("make", "of", "wrong", "formula"),
    [
        (tanh, "W2", lambda v: v["dZ2"] @ v["A1"].T, "dW2 = 1/m dZ2 A1^T"),
        (tanh, "b2", lambda v: v["dZ2"].sum(1, keepdims=True), "db2 = 1/m sum over the examples of dZ2"),
        (tanh, "A1", lambda v: 2 * v["dA1"], "dA1 = W2^T dZ2"),
        (no_dA, "Z1", lambda v: v["W2"].T @ v["dZ2"], "dZ1 = W2^T dZ2 * (1 - A1^2)"),
        (tanh, "Z2", lambda v: v["Y"] - v["A2"], "dZ2 = (A2 - Y)"),
        (autograd, "Z2", lambda v: v["A2"] - v["Y"], "dZ2 = 1/m (A2 - Y)"),
        (l2, "W1", lambda v: v["dZ1"] @ v["X"].T / v["m"], "dW1 = 1/m dZ1 X^T + lambd/m W1"),
        (models.logistic, "w", lambda v: -v["dw"], "dw = 1/m X (A - Y)^T"),
        (models.rows, "W2", lambda v: 2 * v["dW2"], "dW2 = h^T dscores"),
        (named_dA, "A2", lambda v: -v["dA2"], "dA2 = (-(Y / A2) + (1 - Y) / (1 - A2))"),
    ],
)
def test_the_formula_is_the_notes(
    make: Callable[[np.random.Generator], Program], of: str, wrong: Callable[[Values], Any], formula: str
) -> None:
    causes, _ = diagnose(planted(("", make, of, wrong), 4, False)[0])
    assert causes[0].formula == formula


def test_without_a_derivative_from_the_checker_the_arrays_still_tell() -> None:
    # A forward sweep that could not be traced has no vjp and no paths.
    for case in (CASES[0], CASES[1], *(case for case in CASES if case[0] in ("dW_for_W", "db_no_axis"))):
        step, _ = planted(case, 6, False)
        causes, note = diagnose(replace(step, paths={}, vjp=lambda output, of, cotangent: None))
        assert case[0] in [cause.id for cause in causes], note


shapes = st.lists(st.integers(1, 4), max_size=4).map(tuple)


@settings(max_examples=60, deadline=None)
@given(
    forward=st.lists(shapes, min_size=1, max_size=9), yours=shapes, seed=st.integers(0, 2**32 - 1), whole=st.booleans()
)
def test_arrays_of_any_shape_are_looked_at(
    forward: list[tuple[int, ...]], yours: tuple[int, ...], seed: int, whole: bool
) -> None:
    random = np.random.default_rng(seed)

    def draw(shape: tuple[int, ...]) -> Array:
        return np.asarray(random.integers(0, 3, shape) if whole else random.normal(size=shape), dtype=float)

    values = {f"v{i}": draw(shape) for i, shape in enumerate(forward)}
    right, mine = draw(forward[0]), np.asarray(random.normal(size=yours))
    gradients = {f"d{label}": draw(value.shape) for label, value in values.items()} | {"dv0": mine}
    step = Step(
        "dv0", "v0", mine, right, right, 2.0**-53, 3, 3.0, {**values, "J": draw(())}, gradients,
        {"lambd": 0.7, "keep_prob": 0.6}, {"local": draw(forward[-1])},
    )  # fmt: skip
    causes, note = diagnose(step)
    # One or two random numbers may be a multiple of each other; more than that fit nothing.
    assert note or causes
    assert not causes or right.size < 3 or mine.size < 3 or not right.any()
