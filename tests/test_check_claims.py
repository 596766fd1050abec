"""Which of a program's values is which gradient: by name, by place in what is returned, by shape where nothing else is.

And what drawn inputs can't show, random or remembered values, and rounding where features differ a million times.
"""

import pytest

from torchbasics.check.file import check_file
from torchbasics.check.options import Options
from torchbasics.check.program import plans
from torchbasics.check.report import Report

FORWARD = """
import numpy as np

def propagate(w, b, X, Y):
    m = X.shape[1]
    A = 1 / (1 + np.exp(-(w.T @ X + b)))
    cost = -np.mean(Y * np.log(A) + (1 - Y) * np.log(1 - A))
    dw = X @ (A - Y).T / m
    db = np.mean(A - Y)
"""

LAYER = """
import numpy as np

def forward(x, w):
    return {returned}

def backward(dout, {cache}):
    {unpacked}
    return {gradients}
"""

HIDDEN = """
import numpy as np

def forward(X, W1, b1, W2, b2):
    Z1 = W1 @ X + b1
    A1 = np.maximum(0, Z1)
    A2 = W2 @ A1 + b2
    return A2, (Z1, A1)

def cost(A2, Y):
    return np.sum((A2 - Y) ** 2) / (2 * Y.shape[1])

def backward(X, Y, W2, A2, cache):
    Z1, A1 = cache
    m = X.shape[1]
    dZ2 = A2 - Y
    dW2 = dZ2 @ A1.T / m
    db2 = np.sum(dZ2, axis=1, keepdims=True) / m
    dZ1 = (W2.T @ dZ2) * (Z1 > 0)
    dW1 = dZ1 @ X.T / m
    db1 = np.sum(dZ1, axis=1, keepdims=True) / m
    return {"dW1": dW1, "db1": db1, "dW2": dW2, "db2": db2}
"""


@pytest.fixture
def check(tmp_path):
    """Check a program given as text."""

    def run(source: str, **options) -> Report:
        path = tmp_path / "program.py"
        path.write_text(source)
        return check_file(path, Options(**options))

    return run


def wrong(report: Report) -> list[str]:
    return [quantity.name for quantity in report.wrong]


@pytest.mark.parametrize(
    ("returned", "expected"),
    [
        ("return [dw, db], cost", []),
        ("return [dw * 5, db], cost", ["dw"]),
        ("grads = [dw * 5, db]\n    return grads, cost", ["dw"]),
        ("grads = (-dw, db)\n    return cost, grads", ["dw"]),
        ('return {"dw": dw, "db": db}, cost', []),
        ('return {"dw": dw, "db": 2 * db}, cost', ["db"]),
    ],
)
def test_what_is_returned_counts(check, returned, expected):
    report = check(f"{FORWARD}    {returned}\n")
    assert wrong(report) == expected, str(report)
    assert report.verdict == ("wrong" if expected else "right")


@pytest.mark.parametrize(
    ("returned", "cache", "unpacked", "gradients", "expected"),
    [
        ("x @ w, (x, w)", "cache", "x, w = cache", "dout @ w.T, x.T @ dout", []),
        ("x @ w, (x, w)", "cache", "x, w = cache", "dout @ w.T, 2 * (x.T @ dout)", ["dw"]),
        ("x @ w, (x, w)", "cache", "x, w = cache", "-(dout @ w.T), x.T @ dout", ["dx"]),
        ("np.maximum(0, x) * w, x * 1", "cache, w", "pass", "w * dout * (cache > 0), dout * np.maximum(0, cache)", []),
    ],
)
def test_nameless_gradients_belong_to_the_inputs_of_their_shape(check, returned, cache, unpacked, gradients, expected):
    source = LAYER.format(returned=returned, cache=cache, unpacked=unpacked, gradients=gradients)
    report = check(source, shape={"x": (4, 5), "w": (5, 3) if "@" in returned else (4, 1)})
    if "@" not in returned:
        # dout * max(0, x) has x's shape and not w's: of two nameless gradients of one shape neither is settled.
        assert report.verdict == "unchecked"
    else:
        assert wrong(report) == expected, str(report)
        assert report.verdict == ("wrong" if expected else "right")


def test_a_lone_array_is_the_cache(check):
    source = "import numpy as np\n\ndef relu_forward(x):\n    out = np.maximum(0, x)\n    return out, x\n\n"
    source += "def relu_backward(dout, cache):\n    return dout * (cache > 0)\n"
    assert check(source).verdict == "right"
    assert wrong(check(source.replace("cache > 0", "cache < 0"))) == ["dx"]


ALIAS = ("    dZ1 = (W2.T @ dZ2) * (Z1 > 0)\n", "    dA1 = W2.T @ dZ2\n    dZ1 = dA1\n    dZ1[Z1 <= 0] = 0\n")


@pytest.mark.parametrize(("then", "expected"), [("", []), ("    dZ1[0] = 0\n", ["dZ1"]), ("    dZ2 *= 2\n", [])])
def test_a_gradient_written_through_another_name_is_two(check, then, expected):
    aliased = HIDDEN.replace(*ALIAS)
    assert aliased != HIDDEN
    report = check(aliased.replace(ALIAS[1], ALIAS[1] + then), layers=(4, 5, 2))
    assert wrong(report) == expected, str(report)
    assert {"dA1", "dZ1"} <= {quantity.name for quantity in report.quantities}


def test_a_dead_unit_hides_no_mistake(check, monkeypatch):
    # At this seed every drawn example leaves the units of the first layer off, and dW1 zero.
    planted = HIDDEN.replace("    db1 =", "    dW1[0] = 0\n    db1 =")
    assert wrong(check(planted, seed=10, layers=(2, 2, 1))) == ["dW1"]
    monkeypatch.setattr(plans, "REDRAWN", 0)
    missed = check(planted, seed=10, layers=(2, 2, 1))
    assert missed.verdict == "right"
    assert any("rows of dW1, db1, dW2 are zero at these inputs" in note for note in missed.notes), missed.notes


def test_randomness_in_the_backward_is_not_called_accumulation(check):
    source = LAYER.format(
        returned="x @ w, (x, w)",
        cache="cache",
        unpacked="x, w = cache\n    dout = dout * np.random.default_rng().normal(size=dout.shape)",
        gradients="dout @ w.T, x.T @ dout",
    )
    report = check(source, shape={"x": (4, 5), "w": (5, 3)})
    assert wrong(report) == ["dx", "dw"], str(report)
    assert all("draws random numbers" in quantity.note and not quantity.causes for quantity in report.wrong)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_small_features_have_small_rounding(check, dtype):
    # Of an X with rows a million times smaller, dW's columns are: zeroing them is no rounding, in single precision too.
    source = f"{FORWARD}    return {{'dw': dw, 'db': db}}, cost\n\nrandom = np.random.default_rng(0)\ninputs = {{\n"
    source += "    'X': random.normal(size=(6, 9)) * np.array([[1], [1e-6]] * 3), 'Y': np.eye(1, 9), 'b': 0.3,\n"
    source += "    'w': random.normal(size=(6, 1)),\n}\n"
    hidden = HIDDEN + source[source.index("\nrandom") : source.index(" 'b'")]
    hidden += "'W1': random.normal(size=(5, 6)), 'b1': random.normal(size=(5, 1)),\n"
    hidden += "    'W2': random.normal(size=(1, 5)), 'b2': random.normal(size=(1, 1)),\n}\n"
    assert check(hidden, dtype=dtype).verdict == "right"
    zeroed = hidden.replace("    db1 =", "    dW1[np.abs(dW1) < 1e-5] = 0\n    db1 =")
    assert wrong(check(zeroed, dtype=dtype)) == ["dW1"]


def test_what_is_written_into_an_array_that_holds_it_already(check):
    # np.empty gives memory back as it was left: here always with what the loop is about to write.
    filled = """
import numpy as np

KEPT = {}

def empty(name, shape):
    return KEPT.setdefault(name, np.zeros(shape)) * 1.0

def forward(X, W, b):
    Z = empty("Z", (W.shape[0], X.shape[1]))
    for i in range(X.shape[1]):
        Z[:, i] = W @ X[:, i] + b[:, 0]
    KEPT["Z"] = np.array(Z)
    A = 1 / (1 + np.exp(-Z))
    return A

def cost(A, Y):
    return -np.sum(Y * np.log(A) + (1 - Y) * np.log(1 - A)) / Y.shape[1]

def backward(X, Y, A):
    dZ = A - Y
    dW = dZ @ X.T / X.shape[1]
    db = np.sum(dZ, axis=1, keepdims=True) / X.shape[1]
    return dW, db

random = np.random.default_rng(0)
inputs = {name: random.normal(size=size) for name, size in {"X": (3, 4), "W": (2, 3), "b": (2, 1)}.items()}
forward(**inputs)
inputs["Y"] = np.eye(2, 4)
"""
    report = check(filled)
    assert report.verdict == "right", str(report)
    assert len(report.quantities) == 3


@pytest.mark.parametrize(
    ("b", "summed", "expected"),
    [("(4,)", "axis=0", []), ("(1, 4)", "axis=0", []), ("(1, 4)", "axis=0, keepdims=True", []),
     ("(4,)", "axis=0, keepdims=True", ["db"])],
)  # fmt: skip
def test_a_bias_and_its_gradient_may_differ_in_leading_ones(check, b, summed, expected):
    # b - learning_rate db keeps b's shape in the first three, and makes a row of a vector in the last.
    layer = f"""
import numpy as np

def forward(X, W, b):
    Z = X @ W + b
    return Z, (X, W)

def backward(dZ, cache):
    X, W = cache
    dW = X.T @ dZ
    db = dZ.sum({summed})
    dX = dZ @ W.T
    return dX, dW, db

random = np.random.default_rng(0)
inputs = {{"X": random.normal(size=(5, 3)), "W": random.normal(size=(3, 4)), "b": random.normal(size={b})}}
"""
    assert wrong(check(layer)) == expected
