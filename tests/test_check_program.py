"""A user's program from file to report: found, tapped, bound, traced, judged, whatever its style; and what can't be."""

import json
import textwrap
from pathlib import Path

import numpy as np
import pytest

from torchbasics.check.file import check_file
from torchbasics.check.options import Options
from torchbasics.check.program.source import load
from torchbasics.check.report import Report

TWO_LAYER = """
import numpy as np

def forward_propagation(X, parameters):
    Z1 = np.dot(parameters["W1"], X) + parameters["b1"]
    A1 = np.tanh(Z1)
    Z2 = np.dot(parameters["W2"], A1) + parameters["b2"]
    A2 = 1 / (1 + np.exp(-Z2))
    return A2, {"Z1": Z1, "A1": A1, "Z2": Z2, "A2": A2}

def compute_cost(A2, Y):
    m = Y.shape[1]
    return -np.sum(Y * np.log(A2) + (1 - Y) * np.log(1 - A2)) / m

def backward_propagation(parameters, cache, X, Y):
    m = X.shape[1]
    A1, A2 = cache["A1"], cache["A2"]
    dZ2 = A2 - Y
    dW2 = np.dot(dZ2, A1.T) / m
    db2 = np.sum(dZ2, axis=1, keepdims=True) / m
    dZ1 = np.dot(parameters["W2"].T, dZ2) * (1 - A1 ** 2)
    dW1 = np.dot(dZ1, X.T) / m
    db1 = np.sum(dZ1, axis=1, keepdims=True) / m
    return {"dW1": dW1, "db1": db1, "dW2": dW2, "db2": db2}
"""

LOGISTIC = """
import numpy as np

def propagate(w, b, X, Y):
    m = X.shape[1]
    A = 1 / (1 + np.exp(-(np.dot(w.T, X) + b)))
    cost = -np.sum(Y * np.log(A) + (1 - Y) * np.log(1 - A)) / m
    dw = np.dot(X, (A - Y).T) / m
    db = np.sum(A - Y) / m
    return {"dw": dw, "db": db}, cost
"""


@pytest.fixture
def check(tmp_path):
    """Check a program given as text."""

    def run(source: str, name: str = "program.py", **options) -> Report:
        path = tmp_path / name
        path.write_text(textwrap.dedent(source))
        return check_file(path, Options(**options))

    return run


def wrong(report: Report) -> list[str]:
    return [quantity.name for quantity in report.wrong]


def edited(source: str, *edits: tuple[str, str]) -> str:
    for old, new in edits:
        assert source.count(old) == 1, old
        source = source.replace(old, new)
    return source


def test_a_right_program_is_right_in_every_quantity(check):
    report = check(TWO_LAYER)
    assert report.verdict == "right"
    assert [quantity.name for quantity in report.quantities] == ["dZ2", "dW2", "db2", "dZ1", "dW1", "db1"]
    assert all(quantity.rounding_units < 6 for quantity in report.quantities)
    assert "m dJ/dZ" in report.convention


def test_autograds_convention_is_right_too(check):
    in_autograds = edited(
        TWO_LAYER,
        ("dZ2 = A2 - Y", "dZ2 = (A2 - Y) / m"),
        ("dW2 = np.dot(dZ2, A1.T) / m", "dW2 = np.dot(dZ2, A1.T)"),
        ("db2 = np.sum(dZ2, axis=1, keepdims=True) / m", "db2 = np.sum(dZ2, axis=1, keepdims=True)"),
        ("dW1 = np.dot(dZ1, X.T) / m", "dW1 = np.dot(dZ1, X.T)"),
        ("db1 = np.sum(dZ1, axis=1, keepdims=True) / m", "db1 = np.sum(dZ1, axis=1, keepdims=True)"),
    )
    report = check(in_autograds)
    assert report.verdict == "right"
    assert "autograd" in report.convention


def test_one_mistake_is_one_line_at_its_place_with_its_cause(check):
    report = check(edited(TWO_LAYER, ("* (1 - A1 ** 2)", "* (1 - Z1 ** 2)"), ("A1, A2 =", "Z1, A1, A2 = cache['Z1'],")))
    assert wrong(report) == ["dZ1"]
    (quantity,) = report.wrong
    assert quantity.line == TWO_LAYER[: TWO_LAYER.index("dZ1 =")].count("\n") + 1
    assert [cause.id for cause in quantity.causes] == ["derivative_fed_Z"]
    assert quantity.causes[0].certain
    assert quantity.difference_quotient == pytest.approx(quantity.reference, rel=1e-6)
    assert abs(quantity.yours - quantity.reference) > 1e-3


def test_two_mistakes_that_cancel_are_two_mistakes(check):
    report = check(
        edited(
            TWO_LAYER,
            ("dZ2 = A2 - Y", "dZ2 = (A2 - Y) / m"),
            ("dW2 = np.dot(dZ2, A1.T) / m", "dW2 = np.dot(dZ2, A1.T)"),
            ("* (1 - A1 ** 2)", "* (1 - A1 ** 2) * m"),
            ("db2 = np.sum(dZ2, axis=1, keepdims=True) / m", "db2 = np.sum(dZ2, axis=1, keepdims=True)"),
        )
    )  # fmt: skip
    assert "dZ1" in wrong(report)
    assert report.verdict == "wrong"
    assert any("cancel" in note for note in report.notes)


@pytest.mark.parametrize(
    ("change", "smallest"), [("dW1 = np.where(np.abs(dW1) < 1e-5, 0, dW1)", 0.0), ("dW1 = dW1 * 1.0009", 1e-4)]
)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_what_a_metric_lets_pass_is_found(check, change, smallest, dtype):
    source = edited(TWO_LAYER, ("    db1 =", f"    {change}\n    db1 ="))
    # Inputs of the order of 1e-5 give a dW1 with entries on both sides of it.
    source += "\ndef inputs():\n    rng = np.random.default_rng(1)\n    n = lambda *s: rng.normal(size=s)\n" + (
        "    return {'X': 1e-4 * n(6, 9), 'Y': rng.integers(2, size=(1, 9)).astype(float), 'parameters': "
        "{'W1': n(4, 6), 'b1': n(4, 1), 'W2': n(1, 4), 'b2': n(1, 1)}}\n"
    )
    report = check(source, dtype=dtype)
    assert wrong(report) == ["dW1"]
    assert next(report.wrong).relative_error > smallest


def test_every_plan_argument_and_shape_can_be_said(check):
    renamed = (
        TWO_LAYER.replace("forward_propagation", "eins").replace("compute_cost", "zwei")
        .replace("backward_propagation", "drei")
    )  # fmt: skip
    assert check(renamed).verdict == "unchecked"
    assert "eins, zwei, drei" in check(renamed).reason
    named = {"forward": "eins", "cost": "zwei", "backward": "drei"}
    report = check(renamed, **named, layers=(6, 3, 1))
    assert report.verdict == "right"
    assert {q.name: q.shape for q in report.quantities}["dW1"] == (3, 6)
    misspelt = check(renamed, **{**named, "backward": "dre"})
    assert "did you mean 'drei'" in misspelt.reason
    shaped = check(LOGISTIC, shape={"w": (8, 1), "X": (8, 5), "Y": (1, 5)})
    assert {q.name: q.shape for q in shaped.quantities} == {"dw": (8, 1), "db": ()}
    assert "--shape V" in check(LOGISTIC, shape={"V": (8, 1)}).reason


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("expit", ("A2 = 1 / (1 + np.exp(-Z2))", "from scipy.special import expit\n    A2 = expit(Z2)")),
        ("vectorize", ("A1 = np.tanh(Z1)", "import math\n    A1 = np.vectorize(math.tanh)(Z1)")),
        ("object", ("A1 = np.tanh(Z1)", "A1 = np.array([[np.tanh(z) for z in r] for r in Z1], object).astype(float)")),
    ],
)  # fmt: skip
def test_what_cannot_be_traced_is_judged_by_differences(check, name, change):
    right = edited(TWO_LAYER, change)
    report = check(right, layers=(2, 3, 1))
    assert report.verdict == "right", report.reason
    assert {quantity.reference_kind for quantity in report.quantities} == {"central difference"}
    assert any("can't be traced" in note for note in report.notes)
    report = check(edited(right, ("dW2 = np.dot(dZ2, A1.T) / m", "dW2 = np.dot(dZ2, A1.T)")), layers=(2, 3, 1))
    assert wrong(report) == ["dW2"]
    assert next(report.wrong).causes[0].id == "one_over_m_missing"


def test_a_silent_detach_is_noticed_by_the_differences(check):
    # int() of a traced value is a plain number: the cost then depends on W in a way that no trace sees.
    report = check(edited(TWO_LAYER, ("A1 = np.tanh(Z1)", "A1 = np.tanh(Z1) + float(str(Z1[0, 0]))")), layers=(2, 3, 1))
    assert report.verdict == "wrong"
    assert any("central differences" in note for note in report.notes)


def test_relu_at_exactly_zero_is_said_not_failed(check):
    relu = edited(
        TWO_LAYER, ("A1 = np.tanh(Z1)", "A1 = np.maximum(0, Z1)"), ("* (1 - A1 ** 2)", "* (cache['Z1'] >= 0)")
    )
    at_zero = relu + (
        "\ndef inputs():\n    rng = np.random.default_rng(1)\n    W1 = rng.normal(size=(4, 3)); W1[2] = 0\n"
        "    b1 = rng.normal(size=(4, 1)); b1[2] = 0\n"
        "    return {'X': rng.normal(size=(3, 7)), 'Y': rng.integers(2, size=(1, 7)).astype(float), 'parameters':"
        " {'W1': W1, 'b1': b1, 'W2': rng.normal(size=(1, 4)), 'b2': rng.normal(size=(1, 1))}}\n"
    )
    report = check(at_zero)
    assert report.verdict == "right"
    assert any("kink" in quantity.note for quantity in report.quantities)
    assert wrong(check(at_zero.replace("(cache['Z1'] >= 0)", "1.0"))) == ["dZ1"]


def test_a_gradient_of_another_shape_is_a_finding(check):
    report = check(edited(TWO_LAYER, ("db1 = np.sum(dZ1, axis=1, keepdims=True) / m", "db1 = np.sum(dZ1) / m")))
    assert wrong(report) == ["db1"]
    (quantity,) = report.wrong
    assert "shape ()" in quantity.note
    assert quantity.causes[0].id == "db_no_axis"


def test_a_backward_that_raises_is_wrong_where_it_raises(check):
    report = check(edited(TWO_LAYER, ("dW1 = np.dot(dZ1, X.T) / m", "dW1 = np.dot(dZ1, X) / m")))
    assert wrong(report) == ["dW1"]
    assert "not aligned" in next(report.wrong).note
    assert [q.name for q in report.quantities if q.verdict == "right"] == ["dZ2", "dW2", "db2", "dZ1"]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("def f(:\n", "not Python: line 1"),
        ("import no_such_module\n", "line 1: ModuleNotFoundError: No module named 'no_such_module'"),
        ("x = 3\n", "it defines no function"),
        ("import sys\nsys.exit(3)\n", "sys.exit(3)"),
        (edited(LOGISTIC, ("propagate(w, b, X, Y)", "propagate(w, b, X, Y, gizmo)")), "'gizmo'"),
        (edited(TWO_LAYER, ("return -np.sum(", "return -("), ("(1 - A2)) / m", "(1 - A2))")), "not a scalar"),
        (edited(TWO_LAYER, ("np.log(A2)", "np.log(A2 - 2)")), "NaN first appears"),
        (edited(TWO_LAYER, ("A1 = np.tanh(Z1)", "A1 = np.tanh(Z1 + np.random.default_rng().normal())")), "second time"),
        (TWO_LAYER[: TWO_LAYER.index("    m = X.shape")] + "    return None\n", "no gradient by name"),
    ],
)  # fmt: skip
def test_what_cannot_be_checked_says_why(check, source, reason):
    report = check(source)
    assert report.verdict == "unchecked"
    assert reason in report.reason
    assert "\n" not in report.reason


def test_a_mask_drawn_anew_in_the_backward_is_noticed(check):
    report = check(edited(TWO_LAYER, ("dZ2 = A2 - Y", "dZ2 = (A2 - Y) * (np.random.rand(1, m) < 0.5)")))
    assert wrong(report) == ["dZ2"]
    assert any("random numbers of its own" in note for note in report.notes)


def test_a_backward_that_writes_into_the_cache_is_noticed(check):
    report = check(edited(TWO_LAYER, ("dZ2 = A2 - Y", "A2 -= Y\n    dZ2 = A2")))
    assert any("writes into A2" in note for note in report.notes)


def test_a_forward_that_is_not_what_its_name_says_is_wrong(check):
    sigmoid = "def sigmoid(z):\n    return 1 / (1 + np.exp(z))\n"
    flipped = edited(TWO_LAYER, ("A2 = 1 / (1 + np.exp(-Z2))", "A2 = sigmoid(Z2)"), ("dZ2 = A2 - Y", "dZ2 = Y - A2"))
    report = check(flipped + sigmoid)
    assert wrong(report)[0] == "sigmoid"
    assert next(report.wrong).reference_kind == "torch.nn twin"
    subtracted = edited(TWO_LAYER, ('X) + parameters["b1"]', 'X) - parameters["b1"]'))
    report = check(subtracted)
    assert wrong(report) == ["Z1", "db1"]
    assert "b1 is subtracted" in next(report.wrong).causes[0].text


def test_state_that_outlives_a_call_is_found(check):
    leftover = edited(
        TWO_LAYER, ("cache, X, Y):\n    m =", "cache, X, Y, total={}):\n    m ="),
        ("dW1 = np.dot(dZ1, X.T) / m", "dW1 = total['dW1'] = total.get('dW1', 0) + np.dot(dZ1, X.T) / m"),
    )  # fmt: skip
    report = check(leftover)
    assert wrong(report) == ["dW1"]
    assert next(report.wrong).causes[0].id == "gradients_not_zeroed"


def test_helpers_beside_the_file_are_followed(check, tmp_path):
    (tmp_path / "units.py").write_text(
        "import numpy as np\n\ndef sigmoid(z):\n    s = 1 / (1 + np.exp(-z))\n    return s\n"
    )
    report = check("from units import sigmoid\n" + edited(TWO_LAYER, ("1 / (1 + np.exp(-Z2))", "sigmoid(Z2)")))
    assert report.verdict == "right"
    assert {quantity.reference_kind for quantity in report.quantities} == {"autograd"}


def test_a_notebook_is_its_definitions(check):
    cells = [
        {"cell_type": "markdown", "source": ["# Title"]},
        {
            "cell_type": "code",
            "source": ["%matplotlib inline\n", "import numpy as np\n", "import no_such_plots as plt"],
        },
        {"cell_type": "code", "source": TWO_LAYER.splitlines(keepends=True)},
        {"cell_type": "code", "source": ["plt.plot(costs)\n", "raise RuntimeError('a plot')"]},
    ]
    assert check(json.dumps({"cells": cells, "nbformat": 4}), name="n.ipynb").verdict == "right"
    assert "not a notebook" in check("[]", name="n.ipynb").reason


IN_TORCH = """
import torch

class Swish(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, beta):
        s = torch.sigmoid(beta * x)
        ctx.save_for_backward(x, beta, s)
        return x * s

    @staticmethod
    def backward(ctx, grad_output):
        x, beta, s = ctx.saved_tensors
        d = s * (1 - s)
        return grad_output * (s + x * beta * d), (grad_output * x * x * d).sum()

inputs = {"x": torch.linspace(-2, 3, 11, dtype=torch.float64), "beta": torch.tensor(0.7, dtype=torch.float64)}
"""


def test_an_autograd_function_is_judged_by_position(check):
    report = check(IN_TORCH)
    assert report.verdict == "right", report.reason
    assert wrong(check(edited(IN_TORCH, ("s + x * beta * d", "s + x * d")))) == ["dx"]


def test_a_torch_program_is_judged_like_a_numpy_one(check):
    in_torch = (
        TWO_LAYER.replace("import numpy as np", "import torch").replace("np.dot", "torch.mm").replace("np.", "torch.")
        .replace("axis=1, keepdims=True", "1, keepdim=True")
    )  # fmt: skip
    assert check(in_torch).verdict == "right"
    for dtype in ("float64", "float32"):
        assert wrong(check(edited(in_torch, ("db1 = torch.sum(dZ1,", "db1 = torch.sum(dZ2,")), dtype=dtype)) == ["db1"]


ODD = """
total = []

def f(x, *rest, k=2, **named):
    "doc"
    global count
    count = len(rest)
    total.append(x)
    a = b = [x] * k
    a[0] = x + 1
    (c, *d), e = (1, 2, 3), named
    for i, (j, l) in enumerate([(1, 2)]):
        c += i + j + l
    def inner(y):
        nonlocal c
        c = c + y
        return c
    inner(5)
    with_generator = list(g(3))
    assert a is b
    return a, c, d, e, with_generator

def g(n):
    for i in range(n):
        yield i
"""


def test_taps_change_nothing(tmp_path):
    path = tmp_path / "odd.py"
    path.write_text(ODD)
    plain: dict = {}
    exec(ODD, plain)
    program = load(path)

    class Everything:
        def enter(self, function, line):
            return 1

        def argument(self, frame, name, value):
            return value

        def assign(self, frame, name, line, value):
            return value

        wrote = assign

    program.switch.tape = Everything()
    assert program.namespace["f"](1, 2, 3, z=4) == plain["f"](1, 2, 3, z=4)
    assert program.namespace["count"] == plain["count"] == 2
    assert program.namespace["total"] == [1]


def test_inputs_are_never_changed(check, tmp_path):
    path = Path(tmp_path / "p.py")
    values = "{'w': np.ones((3, 1)), 'b': 0.5, 'X': np.ones((3, 4)), 'Y': np.array([[0.0, 1, 1, 0]])}"
    path.write_text(f"{LOGISTIC}\ninputs = {values}\n")
    program = load(path)
    before = {name: np.copy(value) for name, value in program.namespace["inputs"].items()}
    assert check_file(path, Options())
    after = load(path).namespace["inputs"]
    assert all(np.array_equal(before[name], after[name]) for name in before)
