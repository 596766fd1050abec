"""The programs that the checker is judged by are right: against central differences, without the checker."""

import numpy as np
import pytest
from mutants.programs import PROGRAMS, cost, draw, gradients, load, parameters_of, with_value
from mutants.trial import right, try_right

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
    # What rnn_backward and lstm_backward are given is the gradient of a: nothing reaches what only y depends on.
    unreached = {"rnn": {"Wya", "by"}, "lstm": {"Wy", "by"}}.get(name, set())
    assert gradients(program, namespace, inputs).keys() >= inputs.get("parameters", {}).keys() - unreached


# `python -m tests.mutants --what right` tries all of them; here the annotations of the whole checker are enforced.
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    "name", ["logistic", "two_layer_tanh", "l_layer", "softmax_rows", "batchnorm", "rnn_many_to_one"]
)
def test_the_checker_raises_no_false_alarm(name: str, dtype: str) -> None:
    assert try_right(right(PROGRAMS[name], 1, dtype))[0] == ""
