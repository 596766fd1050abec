"""Numbers printed in public notebooks, reproduced in float64 by both engines: an outside truth."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from torchbasics.initialisation import initialise
from torchbasics.losses import BinaryCrossEntropy
from torchbasics.models import shallow
from torchbasics.network import Network
from torchbasics.optim import GradientDescent
from torchbasics.training.config import TrainConfig
from torchbasics.training.loop import descend
from torchbasics.training.record import accuracy
from torchbasics.training.run import Run, create


def assert_printed(value: torch.Tensor | float, printed: Any) -> None:
    """Equal to what was printed, to half a unit of its last digit."""
    if isinstance(printed, list):
        assert len(value) == len(printed)
        for entry, text in zip(value, printed, strict=True):
            assert_printed(entry, text)
        return
    half_unit = float(Decimal(5) * Decimal(10) ** (Decimal(printed).as_tuple().exponent - 1))
    # Where all 16 digits were printed, another order of the same sum moves the last one.
    rounding = 2 * np.finfo(np.float64).eps * abs(float(printed))
    assert abs(float(value) - float(printed)) <= half_unit + rounding, f"{float(value)!r}, printed {printed}"


@pytest.fixture(scope="session")
def reference(course_reference: Path) -> dict[str, Any]:
    return json.loads(course_reference.read_text())


def unit(reference: dict[str, Any], name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    case = next(case for case in reference["unit"] if case["id"] == name)
    return case["inputs"], case["expected_printed"]


def tensor(values: Any) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def planar(parameters: dict[str, Any]) -> Network:
    """The notes' network with one hidden layer, 2-4-1, with the given parameters."""
    network = shallow(2, 4).double()
    for name, parameter in network.notes_parameters():
        if name in parameters:
            parameter.data.copy_(tensor(parameters[name]))
    return network


def test_planar_initialize_parameters(reference: dict[str, Any]) -> None:
    inputs, printed = unit(reference, "planar.initialize_parameters")
    network = initialise(shallow(inputs["n_x"], inputs["n_h"]).double(), "small", inputs["seed"])
    for name, parameter in network.notes_parameters():
        assert_printed(parameter, printed[name])


def test_planar_forward(reference: dict[str, Any]) -> None:
    inputs, printed = unit(reference, "planar.forward")
    np.random.seed(1)
    X, b1 = np.random.randn(2, 3), np.random.randn(4, 1)
    network = planar({**inputs, "b1": b1.tolist()})
    quantities = network.quantities(tensor(X.tolist()), tensor([[1, 0, 1]]))
    A2 = network(tensor(X.tolist()))
    means = [quantities["Z1"].mean(), quantities["A1"].mean(), quantities["Z2"].mean(), A2.mean()]
    # W1 is given to 8 decimals, and its error of 5e-9 goes into the means; they were printed to 12.
    for mean, text in zip(means, printed["mean(Z1) mean(A1) mean(Z2) mean(A2)"], strict=True):
        assert mean.item() == pytest.approx(float(text), abs=1e-8)
    assert_printed(A2, printed["A2"])


def test_planar_compute_cost(reference: dict[str, Any]) -> None:
    inputs, printed = unit(reference, "planar.compute_cost")
    np.random.seed(1)
    Y = tensor((np.random.randn(1, 3) > 0).tolist())
    assert_printed(BinaryCrossEntropy()(tensor(inputs["A2"]), Y), printed["cost"])


def test_planar_backward(reference: dict[str, Any]) -> None:
    inputs, printed = unit(reference, "planar.backward")
    np.random.seed(1)
    X = tensor(np.random.randn(2, 3).tolist())
    Y = tensor((np.random.randn(1, 3) > 0).tolist())
    network = planar(inputs)
    network.cost(X, Y)
    # The case gives a cache that no forward sweep of these parameters makes: it is put where ours is kept.
    _, tanh, second = network.sequence
    A1, A2 = tensor(inputs["cache"]["A1"]), tensor(inputs["cache"]["A2"])
    tanh.A = second.A_prev = A1
    network.loss.A = A2
    network.backward()
    for name, parameter in network.notes_parameters():
        assert_printed(parameter.grad, printed["d" + name])


def test_planar_update(reference: dict[str, Any]) -> None:
    inputs, printed = unit(reference, "planar.update")
    network = planar(inputs)
    for name, parameter in network.notes_parameters():
        parameter.grad = tensor(inputs["d" + name])
    GradientDescent(network.parameters(), inputs["learning_rate"]).step()
    for name, parameter in network.notes_parameters():
        assert_printed(parameter, printed[name])


def train(config: TrainConfig) -> tuple[Run, torch.Tensor]:
    """The run trained to its end, and the costs before every update, (iterations, engines)."""
    run = create(config)
    costs: list[torch.Tensor] = []
    descend(
        run.engines,
        run.batches,
        run.iterations,
        lambda i, J, X, Y: costs.append(torch.stack(J)),
        lambda: False,
        run.seconds,
    )
    return run, torch.stack(costs)


@pytest.fixture(scope="module")
def logistic_run(cat_files: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, torch.Tensor]:
    return train(TrainConfig("logistic", str(cat_files[0]), runs_dir=tmp_path_factory.mktemp("logistic")))


@pytest.fixture(scope="module")
def L_layer_run(cat_files: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, torch.Tensor]:
    place = tmp_path_factory.mktemp("deep")
    return train(TrainConfig("deep", str(cat_files[0]), engine="manual", runs_dir=place))


@pytest.fixture(scope="module")
def L_layer_twin_costs(cat_files: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> torch.Tensor:
    # Not to the end, for time: by then the costs have been equal to rounding for so long that so is the rest.
    place = tmp_path_factory.mktemp("twin")
    _, costs = train(TrainConfig("deep", str(cat_files[0]), engine="torch", iterations=400, runs_dir=place))
    return costs


def assert_accuracies(run: Run, train_fraction: float, test_fraction: float) -> None:
    for engine in run.engines:
        _, A_train = engine.cost_and_predictions(run.data.train.X, run.data.train.Y)
        _, A_test = engine.cost_and_predictions(run.data.test.X, run.data.test.Y)
        assert accuracy(A_train, run.data.train.Y) == pytest.approx(train_fraction, abs=1e-12), engine.name
        assert accuracy(A_test, run.data.test.Y) == pytest.approx(test_fraction, abs=1e-12), engine.name


@pytest.mark.slow
def test_logistic_regression_on_the_cats(reference: dict[str, Any], logistic_run: tuple[Run, torch.Tensor]) -> None:
    # The defaults are the notebook's: zeros, alpha = 0.005, 2,000 iterations.
    run, costs = logistic_run
    expected = reference["runs"]["logistic_regression_cat"]
    assert len(expected["costs_printed"]) == 20
    for engine in range(2):
        for iteration, printed in expected["costs_printed"].items():
            assert costs[int(iteration), engine].item() == pytest.approx(float(printed), abs=5.1e-7), iteration
    assert_accuracies(run, float(expected["train_accuracy_percent"]) / 100, 0.70)


@pytest.mark.slow
def test_L_layer_network_on_the_cats(reference: dict[str, Any], L_layer_run: tuple[Run, torch.Tensor]) -> None:
    # The defaults are the notebook's: [12288, 20, 7, 5, 1], randn / sqrt(n_prev), seed 1, alpha = 0.0075, 2,500.
    run, costs = L_layer_run
    expected = reference["runs"]["L_layer_cat"]
    assert (len(costs), expected["num_iterations"]) == (2500, 2500)
    six_digits, all_digits = expected["costs_printed"].values()
    assert (len(six_digits), len(all_digits)) == (25, 26)
    for iteration, printed in six_digits.items():
        assert costs[int(iteration), 0].item() == pytest.approx(float(printed), abs=5.1e-7), iteration
    for iteration, printed in all_digits.items():
        assert costs[int(iteration), 0].item() == pytest.approx(float(printed), abs=1e-9), iteration
    assert_accuracies(run, float(expected["train_accuracy"]["Q"]), float(expected["test_accuracy"]["Q"]))


@pytest.mark.slow
def test_engines_part_by_less_than_1e_12(
    L_layer_run: tuple[Run, torch.Tensor], L_layer_twin_costs: torch.Tensor
) -> None:
    _, costs = L_layer_run
    assert len(L_layer_twin_costs) == 400
    assert (costs[:400] - L_layer_twin_costs).abs().max() < 1e-12
    # They are two computations: were the costs all equal to the last bit, one would have been compared with itself.
    assert (costs[:400] != L_layer_twin_costs).any()
