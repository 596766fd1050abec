"""The programs that the checker is judged by are right: against central differences, without the checker."""

from pathlib import Path

import numpy as np
import pytest
from mutants.programs import PROGRAMS, cost, draw, gradients, load, parameters_of, with_value
from mutants.trial import try_right

STEP = 1e-5


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("name", PROGRAMS)
def test_gradients_are_the_central_differences_of_the_cost(name: str, seed: int) -> None:
    program = PROGRAMS[name]
    namespace = load(program.source)
    inputs = draw(program, namespace, seed)
    found = gradients(program, namespace, inputs)
    for of, gradient in found.items():
        value = np.asarray(parameters_of(inputs)[of], dtype=float)
        assert gradient.shape == value.shape, of
        assert np.any(gradient != 0), of
        difference = np.zeros(value.shape)
        for index in np.ndindex(value.shape):
            shifted = []
            for step in (STEP, -STEP):
                moved = value.copy()
                moved[index] += step
                shifted.append(cost(program, namespace, with_value(inputs, of, moved)))
            difference[index] = (shifted[0] - shifted[1]) / (2 * STEP)
        np.testing.assert_allclose(gradient, difference, rtol=1e-6, atol=2e-9, err_msg=of)


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_parameter_has_its_gradient(name: str) -> None:
    program = PROGRAMS[name]
    namespace = load(program.source)
    inputs = draw(program, namespace, 0)
    # What rnn_backward is given is the gradient of a, so that nothing reaches what only y_pred depends on.
    unreached = {"Wya", "by"} if name == "rnn" else set()
    assert gradients(program, namespace, inputs).keys() >= inputs.get("parameters", {}).keys() - unreached


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_the_checker_raises_no_false_alarm(name: str, dtype: str, tmp_path: Path) -> None:
    assert try_right([PROGRAMS[name]], 2, dtype, tmp_path).false == []


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_checker_raises_no_false_alarm_in_a_thousand_draws(dtype: str, tmp_path: Path) -> None:
    draws = 1 + 1000 // len(PROGRAMS)
    assert try_right(PROGRAMS.values(), draws, dtype, tmp_path).false == []
