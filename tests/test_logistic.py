"""Chapter 1 in its three forms: equal to one another, to autograd, to central differences and to the printed course."""

import json
import math
from decimal import Decimal
from typing import Any

import h5py
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from torchbasics.errors import InputError
from torchbasics.logistic import (
    OneExample,
    initialize_with_zeros,
    loop_over_examples,
    loop_over_examples_and_features,
    loss,
    one_example,
    optimize,
    predict,
    propagate,
    sigmoid,
    vectorised,
)

EPS = np.finfo(np.float64).eps


def draw(n_x: int, m: int, seed: int) -> tuple[np.ndarray, float, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    w, b, X = rng.normal(size=(n_x, 1)), rng.normal(), rng.normal(size=(n_x, m))
    return w, b, X, rng.integers(0, 2, size=(1, m)).astype(np.float64)


def as_torch(*arrays: Any) -> list[Any]:
    return [torch.from_numpy(a) if isinstance(a, np.ndarray) else a for a in arrays]


def same(actual: Any, expected: Any, tolerance: float = 1e-13) -> None:
    """Equal shape, and equal up to the rounding of sums of a few dozen numbers of order 1."""
    assert np.shape(actual) == np.shape(expected)
    np.testing.assert_allclose(np.asarray(actual), np.asarray(expected), rtol=tolerance, atol=tolerance)


# The three forms


@settings(deadline=None)
@given(m=st.integers(1, 40), seed=st.integers(0, 2**32 - 1))
def test_the_forms_agree_on_two_features(m: int, seed: int) -> None:
    w, b, X, Y = draw(2, m, seed)
    (w1, w2), (x1, x2), y = w[:, 0].tolist(), X.tolist(), Y[0].tolist()

    J, dw1, dw2, db = loop_over_examples(x1, x2, w1, w2, b, y)
    steps = [one_example(x1[i], x2[i], w1, w2, b, y[i], learning_rate=0.1) for i in range(m)]
    whole = vectorised(*as_torch(w), torch.tensor(b, dtype=torch.float64), *as_torch(X, Y))

    same([J, dw1, dw2, db], np.mean([[s.loss, s.dw1, s.dw2, s.db] for s in steps], axis=0))
    same(whole.Z, [[s.z for s in steps]])
    same(whole.A, [[s.a for s in steps]])
    same(whole.dZ, [[s.dz for s in steps]])
    same(whole.dw, [[dw1], [dw2]])
    same([whole.J, whole.db], [J, db])


@settings(deadline=None)
@given(n_x=st.integers(1, 9), m=st.integers(1, 40), seed=st.integers(0, 2**32 - 1))
def test_the_loop_over_features_agrees_with_propagate(n_x: int, m: int, seed: int) -> None:
    w, b, X, Y = draw(n_x, m, seed)
    J, dw, db = loop_over_examples_and_features(w[:, 0].tolist(), b, X.tolist(), Y[0].tolist())
    grads, cost = propagate(w, b, X, Y)
    same(grads["dw"][:, 0], dw)
    same([cost, grads["db"]], [J, db])


@settings(deadline=None)
@given(n_x=st.integers(1, 9), m=st.integers(1, 40), seed=st.integers(0, 2**32 - 1))
def test_propagate_against_autograd(n_x: int, m: int, seed: int) -> None:
    arrays = draw(n_x, m, seed)
    w, b, X, Y = [torch.as_tensor(a, dtype=torch.float64) for a in arrays]
    w.requires_grad_()
    b.requires_grad_()
    reference = F.binary_cross_entropy_with_logits(F.linear(X.T, w.T, b).T, Y)
    reference.backward()

    grads, cost = propagate(w, b, X, Y)
    same(cost, reference.detach())
    same(grads["dw"], w.grad)
    same(grads["db"], b.grad)
    assert not cost.requires_grad
    assert not grads["dw"].requires_grad


@settings(deadline=None, max_examples=20)
@given(n_x=st.integers(1, 5), m=st.integers(1, 20), seed=st.integers(0, 2**32 - 1))
def test_propagate_against_central_differences(n_x: int, m: int, seed: int) -> None:
    w, b, X, Y = draw(n_x, m, seed)
    h = 1e-5

    def J(theta: np.ndarray) -> float:
        z = theta[:-1] @ X + theta[-1]
        return float(np.mean(np.logaddexp(0, z) - Y[0] * z))

    theta = np.append(w[:, 0], b)
    slopes = [(J(theta + h * e) - J(theta - h * e)) / (2 * h) for e in np.eye(n_x + 1)]
    grads, cost = propagate(w, b, X, Y)
    # h^2/6 times the third derivative is below 1e-10; rounding eps J / h is of the same size.
    same(np.append(grads["dw"], grads["db"]), slopes, tolerance=2e-9)
    same(cost, J(theta))


def test_one_example_by_hand() -> None:
    # z = 0.5 * 1 - 0.25 * 2 + 0 = 0, so a = 1/2, the loss is log 2 and dz = 1/2 - 1.
    step = one_example(x1=1.0, x2=2.0, w1=0.5, w2=-0.25, b=0.0, y=1.0, learning_rate=0.1)
    expected = OneExample(
        z=0.0, a=0.5, loss=math.log(2), dz=-0.5, dw1=-0.5, dw2=-1.0, db=-0.5, w1=0.55, w2=-0.15, b=0.05
    )
    assert step._asdict() == pytest.approx(expected._asdict(), abs=1e-15)
    assert {type(value) for value in step} == {float}


def test_vectorised_at_zero_where_training_starts() -> None:
    X, Y = torch.tensor([[1.0, -2.0, 4.0]]), torch.tensor([[1.0, 0.0, 0.0]])
    w = torch.zeros(1, 1, requires_grad=True)
    step = vectorised(w, torch.tensor(0.0), X, Y)
    assert step.dZ.tolist() == [[-0.5, 0.5, 0.5]]
    assert step.J.item() == pytest.approx(math.log(2))
    assert not step.J.requires_grad


def test_optimize_takes_the_steps_of_one_example() -> None:
    w1, w2, b = 0.3, -0.7, 0.2
    for _ in range(150):
        step = one_example(1.5, -0.5, w1, w2, b, 1.0, learning_rate=0.05)
        w1, w2, b = step.w1, step.w2, step.b
    w, X, Y = np.array([[0.3], [-0.7]]), np.array([[1.5], [-0.5]]), np.array([[1.0]])
    params, grads, costs = optimize(w, 0.2, X, Y, num_iterations=150, learning_rate=0.05)
    same(params["w"], [[w1], [w2]])
    same(params["b"], b)
    same(grads["dw"], [[step.dw1], [step.dw2]])
    same(grads["db"], step.db)
    assert len(costs) == 2
    assert costs[0] == propagate(w, 0.2, X, Y)[1]


# The figures of the course


def printed(actual: Any, expected: Any, rounding: float = 4 * EPS) -> None:
    """`actual` is within half a unit of the last printed digit, and the rounding of float64 where that is coarser."""
    strings = np.array(expected)
    assert np.shape(actual) == strings.shape
    for value, string in zip(np.asarray(actual).flat, strings.flat, strict=True):
        half_unit = 0.5 * 10.0 ** int(Decimal(str(string)).as_tuple().exponent)
        assert abs(float(value) - float(string)) <= max(half_unit, rounding * max(1, abs(value))), (value, string)


def course_unit(path: Any, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    (unit,) = [unit for unit in json.loads(path.read_text())["unit"] if unit["id"] == name]
    return unit["inputs"], unit["expected_printed"]


KINDS = pytest.mark.parametrize(
    "kind", [np.array, lambda a: torch.tensor(a, dtype=torch.float64)], ids=["numpy", "torch"]
)
YEARS = pytest.mark.parametrize("year", ["2017", "v5_v6", "2021"])


@KINDS
def test_course_sigmoid(course_reference: Any, kind: Any) -> None:
    inputs, expected = course_unit(course_reference, "lr.sigmoid")
    printed(sigmoid(kind(inputs["z"])), expected["s"])
    printed([sigmoid(float(z)) for z in inputs["z"]], expected["s"])


@KINDS
@YEARS
def test_course_propagate(course_reference: Any, kind: Any, year: str) -> None:
    inputs, expected = course_unit(course_reference, f"lr.propagate.{year}")
    w, X, Y = (kind(inputs[name]) for name in ("w", "X", "Y"))
    grads, cost = propagate(w, inputs["b"], X, Y)
    printed(grads["dw"], expected["dw"])
    printed(grads["db"], expected["db"])
    # The course takes log(1 - a), with a rounded: one eps of a near 1 is eps / (1 - a) of the logarithm. Ours is exact.
    A = sigmoid(w.T @ X + inputs["b"])
    printed(cost, expected["cost"], rounding=EPS / float((1 - A).min()))


@KINDS
@YEARS
def test_course_optimize(course_reference: Any, kind: Any, year: str) -> None:
    inputs, expected = course_unit(course_reference, f"lr.optimize.{year}")
    w, X, Y = (kind(inputs[name]) for name in ("w", "X", "Y"))
    params, grads, _ = optimize(w, inputs["b"], X, Y, inputs["num_iterations"], inputs["learning_rate"])
    for name, value in (params | grads).items():
        printed(value, expected[name])


@KINDS
def test_course_predict(course_reference: Any, kind: Any) -> None:
    inputs, expected = course_unit(course_reference, "lr.predict")
    predictions = predict(kind(inputs["w"]), inputs["b"], kind(inputs["X"]))
    assert predictions.tolist() == [[float(p) for p in expected["predictions"][0]]]


def cats(path: Any, part: str) -> tuple[np.ndarray, np.ndarray]:
    with h5py.File(path) as file:
        images, labels = file[f"{part}_set_x"][:], file[f"{part}_set_y"][:]
    return images.reshape(len(images), -1).T / 255, labels.reshape(1, -1)


@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_course_run_on_the_cat_images(
    course_reference: Any, cat_files: Any, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = json.loads(course_reference.read_text())["runs"]["logistic_regression_cat"]
    X, Y = cats(cat_files[0], "train")
    X_test, Y_test = cats(cat_files[1], "test")
    w, b = initialize_with_zeros(X.shape[0])
    if kind == "torch":
        w, X, Y, X_test, Y_test = as_torch(w, X, Y, X_test, Y_test)

    params, _, costs = optimize(w, b, X, Y, run["num_iterations"], run["learning_rate"], print_cost=True)

    expected = run["costs_printed"]
    assert len(costs) == len(expected) == 20
    np.testing.assert_allclose(costs, [float(cost) for cost in expected.values()], rtol=0, atol=5.1e-7)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Cost after iteration 0: 0.693147"
    assert [line.split()[3] for line in lines] == [f"{i}:" for i in expected]
    for inputs, labels, accuracy in (
        (X, Y, run["train_accuracy_percent"]),
        (X_test, Y_test, run["test_accuracy_percent"]),
    ):
        mistakes = abs(predict(params["w"], params["b"], inputs) - labels).sum()
        assert 100 - 100 * float(mistakes) / labels.shape[1] == pytest.approx(float(accuracy), abs=1e-12)


# NumPy and torch, dtypes, memory


@settings(deadline=None)
@given(n_x=st.integers(1, 9), m=st.integers(1, 40), seed=st.integers(0, 2**32 - 1), single=st.booleans())
def test_numpy_and_torch_give_identical_results(n_x: int, m: int, seed: int, single: bool) -> None:
    dtype = np.float32 if single else np.float64
    w, b, X, Y = draw(n_x, m, seed)
    w, X, Y = (a.astype(dtype) for a in (w, X, Y))
    before = [a.copy() for a in (w, X, Y)]
    w_torch, X_torch, Y_torch = as_torch(w, X, Y)

    grads, cost = propagate(w, b, X, Y)
    params, last, costs = optimize(w, b, X, Y, 3, 0.1)
    torch_grads, torch_cost = propagate(w_torch, b, X_torch, Y_torch)
    torch_params, torch_last, torch_costs = optimize(w_torch, b, X_torch, Y_torch, 3, 0.1)

    ours = [cost, *grads.values(), *params.values(), *last.values(), sigmoid(X), predict(w, b, X)]
    theirs = [torch_cost, *torch_grads.values(), *torch_params.values(), *torch_last.values()]
    theirs += [sigmoid(X_torch), predict(w_torch, b, X_torch)]
    for array, tensor in zip(ours, theirs, strict=True):
        assert isinstance(array, np.ndarray)
        assert isinstance(tensor, torch.Tensor)
        assert array.dtype == dtype
        assert tensor.numpy().dtype == dtype
        assert array.shape == tuple(tensor.shape)
        assert (array == tensor.numpy()).all()
    assert costs == torch_costs
    assert {type(c) for c in costs} == {float}
    for array, copy in zip((w, X, Y), before, strict=True):
        assert (array == copy).all()


@pytest.mark.parametrize(
    "b", [0.25, 1, np.float32(0.25), np.float64(0.25), np.array(0.25)], ids=lambda b: type(b).__name__
)
def test_every_kind_of_scalar_b_in_numpy(b: Any) -> None:
    w, _, X, Y = draw(3, 5, seed=0)
    expected, expected_cost = propagate(w, float(b), X, Y)
    grads, cost = propagate(w, b, X, Y)
    params, _, _ = optimize(w, b, X, Y, 1, 0.1)
    assert cost == expected_cost
    assert (grads["dw"] == expected["dw"]).all()
    assert [type(scalar) for scalar in (cost, grads["db"], params["b"])] == [np.ndarray] * 3
    assert float(b) - 0.1 * expected["db"] == params["b"]


def test_a_tensor_b_is_not_changed_in_place() -> None:
    w, b, X, Y = draw(3, 5, seed=0)
    b_tensor = torch.tensor(b, dtype=torch.float64)
    params, _, _ = optimize(*as_torch(w), b_tensor, *as_torch(X, Y), 1, 0.1)
    assert b_tensor.item() == b
    assert params["b"].item() == optimize(w, b, X, Y, 1, 0.1)[0]["b"] != b


def test_dtypes() -> None:
    w, b, X, Y = draw(3, 5, seed=0)
    single = X.astype(np.float32)
    assert propagate(w.astype(np.float32), b, single, Y.astype(np.uint8))[1].dtype == np.float32
    assert propagate(w, b, single, Y)[1].dtype == np.float64
    assert propagate(w.astype(np.float32), b, X, Y)[1].dtype == np.float64
    assert propagate(np.array([[1]]), 0, np.array([[2]]), np.array([[True]]))[1].dtype == np.float64
    assert propagate(torch.tensor([[1]]), 0, torch.tensor([[2]]), torch.tensor([[1]]))[1].dtype == torch.float64
    assert sigmoid(np.array([0, 1])).dtype == np.float64
    assert sigmoid(torch.tensor([0, 1])).dtype == torch.float64


def test_arrays_that_torch_cannot_share() -> None:
    w, b, X, Y = draw(3, 5, seed=0)
    _, expected = propagate(w, b, np.ascontiguousarray(X[:, ::-1]), np.ascontiguousarray(Y[:, ::-1]))
    assert propagate(w, b, X[:, ::-1], Y[:, ::-1])[1] == expected
    X.flags.writeable = False
    w.flags.writeable = False
    assert propagate(w, b, X, Y)[1] == pytest.approx(expected)


def test_no_graph_grows_over_the_iterations() -> None:
    w, b, X, Y = as_torch(*draw(3, 5, seed=0))
    params, _, _ = optimize(w.requires_grad_(), b, X, Y, 2, 0.1)
    assert not params["w"].requires_grad


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_results_stay_on_the_device() -> None:
    w, b, X, Y = (a.cuda() if isinstance(a, torch.Tensor) else a for a in as_torch(*draw(3, 5, seed=0)))
    params, grads, _ = optimize(w, b, X, Y, 2, 0.1)
    assert {r.device.type for r in (*params.values(), *grads.values(), predict(w, b, X))} == {"cuda"}


def test_sigmoid_lets_autograd_through() -> None:
    z = torch.tensor([-1.0, 0.0, 2.0], dtype=torch.float64, requires_grad=True)
    a = sigmoid(z)
    a.sum().backward()
    same(z.grad, (a * (1 - a)).detach())


# Saturated


@pytest.mark.parametrize("kind", [np.array, torch.tensor], ids=["numpy", "torch"])
def test_saturated_float32(kind: Any) -> None:
    single = torch.float32 if kind is torch.tensor else np.float32
    w, X = kind([[1.0]], dtype=single), kind([[1000.0, -1000.0, 1000.0, -1000.0]], dtype=single)
    grads, cost = propagate(w, 0.0, X, kind([[1, 0, 0, 1]]))
    assert cost == 500.0  # two right, losses 0; two wrong, losses 1000
    assert grads["dw"].tolist() == [[500.0]]  # (1000 * 1 + -1000 * -1) / 4
    assert grads["db"] == 0.0
    assert propagate(w, 0.0, X, kind([[1, 0, 1, 0]]))[1] == 0.0
    # e^-|z| still counts where 1 + e^-|z| has rounded to 1.
    _, cost = propagate(w, 0.0, kind([[20.0]], dtype=single), kind([[1]]))
    assert cost == pytest.approx(math.log1p(math.exp(-20)), rel=1e-6)
    assert sigmoid(X).tolist() == [[1.0, 0.0, 1.0, 0.0]]


@pytest.mark.parametrize(("z", "y", "expected"), [(1000.0, 1.0, 0.0), (1000.0, 0.0, 1000.0), (-1000.0, 1.0, 1000.0)])
def test_saturated_numbers(z: float, y: float, expected: float) -> None:
    assert loss(z, y) == expected
    assert sigmoid(z) == (z > 0)
    assert sigmoid(-40.0) == pytest.approx(math.exp(-40), rel=1e-15)


@settings(deadline=None)
@given(z=st.integers(-3000, 3000).map(lambda k: k / 100), y=st.sampled_from([0.0, 1.0]))
def test_loss_is_the_cross_entropy(z: float, y: float) -> None:
    z_64 = torch.tensor(z, dtype=torch.float64)
    assert sigmoid(z) == pytest.approx(torch.sigmoid(z_64).item(), rel=1e-14, abs=0)
    assert loss(z, y) == pytest.approx(-F.logsigmoid(z_64 if y else -z_64).item(), rel=1e-14, abs=0)


def test_predict_at_one_half_is_zero() -> None:
    assert predict(np.ones((1, 1)), 0.0, np.array([[0.0, 1e-9, -1e-9]])).tolist() == [[0.0, 1.0, 0.0]]
    assert predict(np.ones((1, 1)), 2.0, np.array([[-2.0, -1.9, -2.1]])).tolist() == [[0.0, 1.0, 0.0]]


def test_initialize_with_zeros() -> None:
    w, b = initialize_with_zeros(3)
    assert w.tolist() == [[0.0], [0.0], [0.0]]
    assert (w.dtype, type(b), b) == (np.float64, float, 0.0)


# Errors

w, b, X, Y = draw(2, 3, seed=0)
NOT_A_COLUMN = "and X (2, 3), expected w to be a column (n_x, 1): use w.reshape(-1, 1)"
NOT_TWO_AXES = "expected X to be (n_x, m) and not empty: m images go in as X.reshape(m, -1).T"
TWO_KINDS = "expected all torch tensors or all NumPy arrays: use np.array or torch.from_numpy"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((w[:, 0], b, X, Y), f"w has shape (2,) {NOT_A_COLUMN}"),
        ((w.T, b, X, Y), f"w has shape (1, 2) {NOT_A_COLUMN}"),
        (
            (np.ones((3, 1)), b, X, Y),
            "w has shape (3, 1) and X (2, 3), expected (n_x, 1) and (n_x, m): X holds examples as rows, use X.T",
        ),
        (
            (np.ones((4, 1)), b, X, Y),
            "w has shape (4, 1) and X (2, 3), expected (n_x, 1) and (n_x, m): give w one weight per row of X",
        ),
        ((w, b, X[0], Y), f"w has shape (2, 1) and X (3,), {NOT_TWO_AXES}"),
        ((w, b, X[:, :0], Y), f"w has shape (2, 1) and X (2, 0), {NOT_TWO_AXES}"),
        ((w, np.zeros((1, 1)), X, Y), "b has shape (1, 1), expected a scalar: use b.item()"),
        ((w, b, X, Y[0]), "Y has shape (3,) and X (2, 3), expected Y (1, 3): use Y.reshape(1, -1)"),
        ((w, b, X, Y.T), "Y has shape (3, 1) and X (2, 3), expected Y (1, 3): use Y.reshape(1, -1)"),
        ((w, b, X, Y[:, :2]), "Y has shape (1, 2) and X (2, 3), expected Y (1, 3): give one label per column of X"),
        ((w, b, X, 2 * Y - 1), "Y holds the label -1, expected 0 and 1 only: number the two classes so"),
        ((w, b, X, Y + np.nan), "Y holds the label nan, expected 0 and 1 only: number the two classes so"),
        ((*as_torch(w), b, X, Y), f"w is a Tensor, X is a ndarray, Y is a ndarray; {TWO_KINDS}"),
        ((w, torch.tensor(b), X, Y), f"w is a ndarray, X is a ndarray, b is a Tensor, Y is a ndarray; {TWO_KINDS}"),
        ((*as_torch(w, b, X), Y), f"w is a Tensor, X is a Tensor, Y is a ndarray; {TWO_KINDS}"),
    ],
)
def test_what_propagate_and_optimize_refuse(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(InputError) as refusal:
        propagate(*arguments)
    assert str(refusal.value) == message
    with pytest.raises(InputError) as refusal:
        optimize(*arguments, num_iterations=1, learning_rate=0.1)
    assert str(refusal.value) == message


def test_what_predict_refuses() -> None:
    with pytest.raises(InputError, match=r"X holds examples as rows, use X\.T"):
        predict(w, b, X.T)
    with pytest.raises(InputError, match="all torch tensors or all NumPy arrays"):
        predict(w, b, torch.from_numpy(X))


@pytest.mark.parametrize("learning_rate", [-0.1, math.nan])
def test_learning_rate_is_not_negative(learning_rate: float) -> None:
    message = f"learning_rate is {learning_rate:g}, expected 0 or more: the update has its minus sign"
    with pytest.raises(InputError) as refusal:
        optimize(w, b, X, Y, 1, learning_rate)
    assert str(refusal.value) == message
    with pytest.raises(InputError) as refusal:
        one_example(1.0, 1.0, 1.0, 1.0, 1.0, 1.0, learning_rate)
    assert str(refusal.value) == message


@pytest.mark.parametrize("num_iterations", [-1, 0])
def test_there_is_a_last_iteration(num_iterations: int) -> None:
    with pytest.raises(InputError) as refusal:
        optimize(w, b, X, Y, num_iterations, 0.1)
    assert str(refusal.value) == (
        f"num_iterations is {num_iterations}, expected 1 or more: the last one's gradients come back"
    )


@pytest.mark.parametrize(
    ("form", "arguments", "message"),
    [
        (one_example, (1.0, 1.0, 1.0, 1.0, 0.0, 0.5, 0.1), "Y holds the label 0.5, expected 0 and 1 only"),
        (loop_over_examples, ([1.0], [1.0], 1.0, 1.0, 0.0, [2.0]), "Y holds the label 2, expected 0 and 1 only"),
        (
            loop_over_examples,
            ([1.0, 2.0], [1.0], 1.0, 1.0, 0.0, [1.0]),
            "1 labels and features of [2, 1] numbers, expected m of each: m is at least 1",
        ),
        (
            loop_over_examples,
            ([], [], 1.0, 1.0, 0.0, []),
            "0 labels and features of [0, 0] numbers, expected m of each: m is at least 1",
        ),
        (
            loop_over_examples_and_features,
            ([1.0], 0.0, [[1.0, 2.0]], [1.0]),
            "1 labels and features of [2] numbers, expected m of each: m is at least 1",
        ),
        (
            loop_over_examples_and_features,
            ([1.0], 0.0, [[1.0], [2.0]], [1.0]),
            "w has 1 weights and X 2 rows, expected n_x of both: give one row per feature",
        ),
    ],
)
def test_what_the_loops_refuse(form: Any, arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(InputError) as refusal:
        form(*arguments)
    assert str(refusal.value).startswith(message)


@pytest.mark.parametrize("kind", [np.array, torch.tensor, tuple], ids=["numpy", "torch", "tuple"])
def test_the_loops_take_any_kind_of_numbers(kind: Any) -> None:
    x1, x2, y = [1.0, -2.0, 0.5], [3.0, 0.25, -1.0], [1.0, 0.0, 1.0]
    expected = loop_over_examples(x1, x2, 0.5, -0.25, 0.125, y)
    assert loop_over_examples(kind(x1), kind(x2), 0.5, -0.25, 0.125, kind(y)) == expected
    both = loop_over_examples_and_features([0.5, -0.25], 0.125, [x1, x2], y)
    assert loop_over_examples_and_features(kind([0.5, -0.25]), 0.125, kind([x1, x2]), kind(y)) == both
    with pytest.raises(InputError, match="0 labels"):
        loop_over_examples(kind([]), kind([]), 0.5, -0.25, 0.125, kind([]))


def test_labels_as_a_column_do_not_broadcast() -> None:
    w, X = torch.ones(2, 1), torch.ones(2, 3)
    with pytest.raises(InputError, match=r"Y has shape \(3, 1\), expected \(1, 3\)"):
        vectorised(w, torch.tensor(0.0), X, torch.ones(3, 1))


def test_foreign_bytes_and_complex_numbers() -> None:
    w, X, Y = np.array([[1.0], [2.0]]), np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0, 0.0]])
    expected = propagate(w, 2.0, X, Y)
    grads, cost = propagate(w.astype(">f8"), 2.0, X.astype(">f8"), Y.astype(">i8"))
    assert np.array_equal(grads["dw"], expected[0]["dw"])
    assert cost == expected[1]
    with pytest.raises(InputError, match="expected real numbers"):
        propagate(w.astype(complex), 2.0, X, Y)
