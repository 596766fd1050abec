"""What a diagnosis must not say: circular causes, coincidences as certain, one wrong entry as a mistake of all."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import diagnosis_models as models
import numpy as np
import pytest
from diagnosis_cases import Values, dropout, l2, no_dA, tanh
from diagnosis_planted import damaged, planted
from diagnosis_steps import Program

from torchbasics.check.diagnosis import diagnose
from torchbasics.check.step import Array


def test_a_gradient_is_not_explained_by_what_is_computed_from_it() -> None:
    # With one example db1 is dZ1, whatever dZ1 is.
    program = tanh(np.random.default_rng(2))
    program.m = 1
    program.inputs |= {"X": program.inputs["X"][:, :1], "Y": program.inputs["Y"][:, :1]}
    right = program.gradients()
    mine = right["dZ1"] * np.random.default_rng(3).normal(size=right["dZ1"].shape)
    causes, note = diagnose(program.step("Z1", mine, {**right, "db1": mine}))
    assert causes == []
    assert note


def test_the_users_own_gradient_under_another_name_is_no_mix_up() -> None:
    program = no_dA(np.random.default_rng(2))
    right = program.gradients()
    spoilt = program.inputs["W2"].T @ right["dZ2"]
    spoilt[0] = 0
    program.locals = {"da_prev": spoilt}
    step = program.step("Z1", spoilt * (1 - program.forward()["A1"] ** 2), right)
    assert diagnose(step)[0] == []


@pytest.mark.parametrize("shape", [(20, 300), (3, 11)])
def test_one_entry_that_is_off_is_no_mistake_of_all(shape: tuple[int, int]) -> None:
    def make(random: np.random.Generator) -> Program:
        program = models.two_layers(random)
        program.inputs |= {"W1": random.normal(size=shape), "b1": random.normal(size=(shape[0], 1))}
        program.inputs |= {"X": random.normal(size=(shape[1], program.m)) / 99, "W2": random.normal(size=(1, shape[0]))}
        return program

    def off(right: Array) -> Array:
        right[1, 2] += 1e-13 * np.abs(right).max()
        return -right

    causes, note = diagnose(damaged(make, "W1", lambda right: -right))
    assert [(cause.id, cause.certain) for cause in causes] == [("sign_flipped", True)]
    causes, note = diagnose(damaged(make, "W1", off))
    assert causes == []
    assert note == "it is -1 times the right value in every entry but (1, 2)"


def test_a_ratio_of_small_sizes_is_not_certain() -> None:
    program = tanh(np.random.default_rng(4))
    random = np.random.default_rng(5)
    program.m = 10
    program.inputs |= {
        "X": random.normal(size=(7, 10)),
        "Y": np.arange(10.0)[None] % 2,
        "W1": random.normal(size=(8, 7)),
    }
    program.inputs |= {"b1": random.normal(size=(8, 1)), "W2": random.normal(size=(1, 8))}
    right = program.gradients()
    for k, certain in ((10 / 8, False), (10 / 7, True)):
        causes, _ = diagnose(program.step("W2", k * right["dW2"], right))
        assert {cause.id for cause in causes} == {"divided_by_other"}
        assert [cause.certain for cause in causes] == [certain]
    assert "it is 5/4 times dW2" in diagnose(program.step("W2", 10 / 8 * right["dW2"], right))[0][0].text


def test_a_factor_of_three_is_no_gradient_that_was_not_zeroed() -> None:
    assert diagnose(damaged(tanh, "W1", lambda right: 17.0 * right))[0] == []
    causes, _ = diagnose(damaged(tanh, "W1", lambda right: 2.0 * right))
    assert causes[0].id == "factor_two"
    assert not any(cause.certain for cause in causes)


@pytest.mark.parametrize("k", [0.5, 2.0, -1.0])
def test_the_regularisations_term_is_named_with_its_factor(k: float) -> None:
    def wrong(v: Values) -> Any:
        return v["dZ1"] @ v["X"].T / v["m"] + k * v["lambd"] / v["m"] * v["W1"]

    causes, _ = diagnose(planted(("", l2, "W1", wrong), 4, False)[0])
    assert [cause.id for cause in causes] == ["regularisation_sign" if k < 0 else "l2_coefficient"]
    assert k < 0 or f"is {k:g} times the lambd/m W1" in causes[0].text


@pytest.mark.parametrize(
    ("of", "id", "wrong"),
    [
        ("Z1", "derivative_missing", lambda v: v["dH1"]),
        ("Z1", "function_for_derivative", lambda v: v["dH1"] * v["H1"]),
        ("H1", "dropout_mask_missing", lambda v: v["dA1"] / 0.6),
        ("H1", "dropout_scale_missing", lambda v: v["dA1"] * v["D1"]),
        ("b1", "db_from_dA", lambda v: v["dH1"].sum(1, keepdims=True) / v["m"]),
        ("W2", "one_over_m_missing", lambda v: v["dZ2"] @ v["A1"].T),
    ],
)
def test_dropout_may_take_the_name_of_what_it_drops(of: str, id: str, wrong: Callable[[Values], Any]) -> None:
    step, _ = planted(("", dropout, of, wrong), 7, False)
    # A1 = relu(Z1); A1 = A1 * D1 / keep_prob: the last A1 and the last dA1 are what there is.
    renamed = {"dA1": step.backward["dH1"]}
    backward = {name: G for name, G in step.backward.items() if name not in ("dA1", "dH1")}
    one_name = replace(
        step,
        name=step.name.replace("H", "A"),
        of=of.replace("H", "A"),
        forward={label: value for label, value in step.forward.items() if label != "H1"},
        backward={**backward, **renamed},
        paths={label.replace("H", "A"): part for label, part in step.paths.items()},
    )
    causes, note = diagnose(one_name)
    assert id in [cause.id for cause in causes], note
    assert "H1" not in causes[0].text
    assert "relu(Z1)" not in causes[0].formula
    assert causes[0].formula.startswith(f"{one_name.name} = ")
