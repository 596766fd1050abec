"""Right programs in other people's styles are right, and the same with a mistake in them wrong at its place."""

import json
from pathlib import Path

import pytest

from torchbasics.check.file import check_file
from torchbasics.check.options import Options

PROBABILITIES = """
import numpy as np

def forward(X, W1, b1, W2, b2):
    h = X @ W1 + b1
    a = np.maximum(0, h)
    s = a @ W2 + b2
    return h, a, s

def loss(s, y):
    s = s - s.max(axis=1, keepdims=True)
    p = np.exp(s) / np.exp(s).sum(axis=1, keepdims=True)
    return -np.log(p[np.arange(len(y)), y]).mean(), p

def backward(X, y, W2, h, a, p):
    ds = p.copy()
    ds[np.arange(len(y)), y] -= 1
    ds /= len(y)
    dW2 = a.T @ ds
    db2 = ds.sum(axis=0)
    dh = (ds @ W2.T) * (h > 0)
    dW1 = X.T @ dh
    db1 = dh.sum(axis=0)
    return dW1, db1, dW2, db2
"""

DELTAS = """
import numpy as np

def sigmoid(z):
    return 1 / (1 + np.exp(-z))

def forward(X, W1, b1, W2, b2):
    z1 = W1 @ X + b1
    a1 = sigmoid(z1)
    z2 = W2 @ a1 + b2
    a2 = sigmoid(z2)
    return a1, a2

def cost(a2, Y):
    return 0.5 * np.sum((a2 - Y) ** 2)

def backward(X, Y, a1, a2, W2):
    delta{last} = (a2 - Y) * a2 * (1 - a2)
    dW2 = delta{last} @ a1.T
    db2 = delta{last}.sum(axis=1, keepdims=True)
    delta{first} = (W2.T @ delta{last}) * a1 * (1 - a1)
    dW1 = delta{first} @ X.T
    db1 = delta{first}.sum(axis=1, keepdims=True)
    return dW1, db1, dW2, db2

random = np.random.default_rng(0)
sizes = {{"X": (3, 5), "Y": (4, 5), "W1": (4, 3), "b1": (4, 1), "W2": (4, 4), "b2": (4, 1)}}
inputs = {{name: random.normal(size=size) for name, size in sizes.items()}}
"""

PREDICTION = """
import numpy as np

def forward(x, W, b):
    y_hat = x @ W + b
    return y_hat

def loss(y_hat, y):
    return np.mean((y_hat - y) ** 2)

def backward(x, y, y_hat):
    dy = 2 * (y_hat - y) / y.size
    dW = x.T @ dy
    db = dy.sum(axis=0)
    return dW, db
"""

AFFINE = """
import numpy as np

def affine_forward(x, w, b):
    out = x.reshape(x.shape[0], -1).dot(w) + b
    cache = (x, w, b)
    return out, cache

def affine_backward(dout, cache):
    x, w, b = cache
    dx = dout.dot(w.T).reshape(x.shape)
    dw = x.reshape(x.shape[0], -1).T.dot(dout)
    db = np.sum(dout, axis=0)
    return dx, dw, db
"""

MODES = """
import numpy as np

def norm_forward(x, gamma, beta, bn_param):
    out, cache = None, None
    if bn_param["mode"] == "train":
        mu, var = x.mean(axis=0), x.var(axis=0)
        std = np.sqrt(var + bn_param.get("eps", 1e-5))
        xhat = (x - mu) / std
        out = gamma * xhat + beta
        cache = (gamma, xhat, std)
    return out, cache

def norm_backward(dout, cache):
    gamma, xhat, std = cache
    dbeta = dout.sum(axis=0)
    dgamma = (dout * xhat).sum(axis=0)
    dxhat = dout * gamma
    dx = (dxhat - dxhat.mean(axis=0) - xhat * (dxhat * xhat).mean(axis=0)) / std
    return dx, dgamma, dbeta
"""

EQUAL_NUMBERS = """
import math

def forward(x, w, b):
    z = sum(p * q for p, q in zip(x, w)) + b
    a = 1 / (1 + math.exp(-z))
    return a

def cost(a, y):
    return -(y * math.log(a) + (1 - y) * math.log(1 - a))

def backward(x, y, a):
    dz = a - y
    dw = [xi * dz for xi in x]
    db = dz
    return dw, db

inputs = {"x": [0.5, -1.2, 2.0], "w": [0.1, 0.2, -0.3], "b": 0.5, "y": 1.0}
"""

CANCELLED = """
import numpy as np

def forward(q, K, bk):
    k = K + bk
    scores = k @ q
    e = np.exp(scores - scores.max())
    p = e / e.sum()
    return p, (q, p)

def backward(dp, cache):
    q, p = cache
    dscores = p * (dp - np.sum(dp * p))
    dk = np.outer(dscores, q)
    dK = dk
    dbk = dk.sum(axis=0)
    return dK, dbk

random = np.random.default_rng(0)
inputs = {"q": random.normal(size=3), "K": random.normal(size=(6, 3)), "bk": random.normal(size=3)}
"""


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    ("source", "edit", "place"),
    [
        (PROBABILITIES, ("ds /= len(y)", "ds /= 2 * len(y)"), "ds(1)"),
        (DELTAS.format(last=2, first=1), ("* a1 * (1 - a1)", "* a1"), "dz1"),
        (DELTAS.format(last=3, first=2), ("* a1 * (1 - a1)", "* a1"), "dz1"),
        (DELTAS.format(last=1, first=2), ("* a1 * (1 - a1)", "* a1"), "dz1"),
        (PREDICTION, ("dy = 2 * (", "dy = 1 * ("), "dy_hat"),
        (AFFINE, ("np.sum(dout, axis=0)", "np.sum(dout)"), "db"),
        (MODES, ("- dxhat.mean(axis=0)", ""), "dx"),
        (EQUAL_NUMBERS, ("db = dz", "db = 2 * dz"), "db"),
        (CANCELLED, ("dp * p)", "dp)"), "dscores"),
        (CANCELLED, ("dk.sum(axis=0)", "dk[1:].sum(axis=0)"), "dbk"),
    ],
    ids=[
        "probs",
        "deltas",
        "deltas from X",
        "deltas from the output",
        "dy",
        "affine",
        "mode",
        "numbers",
        "softmax",
        "0",
    ],
)
def test_a_style(tmp_path, source, edit, place, dtype):
    path = tmp_path / "program.py"
    path.write_text(source)
    report = check_file(path, Options(dtype=dtype))
    assert report.verdict == "right", str(report)
    assert source.count(edit[0]) == 1
    path.write_text(source.replace(*edit))
    report = check_file(path, Options(dtype=dtype))
    assert [quantity.name for quantity in report.wrong][:1] == [place], str(report)


REGULARISED = """
import numpy as np

def forward(X, W, b):
    A = X @ W + b
    return A

def cost(A, Y, W, reg=0.0):
    return np.sum((A - Y) ** 2) / (2 * len(Y)) + 0.5 * reg * np.sum(W * W)

def backward(X, Y, A, W, reg=0.0):
    dA = (A - Y) / len(Y)
    dW = X.T @ dA + reg * W
    db = dA.sum(axis=0)
    return dW, db
"""


def test_a_term_that_defaults_switch_off_is_switched_on(tmp_path):
    path = tmp_path / "program.py"
    path.write_text(REGULARISED)
    assert check_file(path, Options()).verdict == "right"
    path.write_text(REGULARISED.replace("+ reg * W\n", "- reg * W\n"))
    assert [quantity.name for quantity in check_file(path, Options()).wrong] == ["dW"]


def test_a_helper_goes_with_its_own_backward(tmp_path):
    path = tmp_path / "program.py"
    path.write_text(AFFINE + "\ndef relu(x):\n    return np.maximum(0, x), x\n\ndef relu_backward(dout, cache):\n")
    path.write_text(path.read_text() + "    return dout * (cache > 0)\n")
    report = check_file(path, Options())
    assert report.verdict == "right", str(report)
    assert "dx (relu_backward)" in {quantity.name for quantity in report.quantities}


def test_python_below_a_cell_magic_is_read(tmp_path):
    path = tmp_path / "book.ipynb"
    cells = [("%%time\n" + AFFINE, "code"), ("%%bash\nls", "code")]
    path.write_text(json.dumps({"cells": [{"cell_type": kind, "source": text} for text, kind in cells]}))
    report = check_file(path, Options())
    assert report.verdict == "right", str(report)
    assert any("code cell 2 is left out: it starts with %%bash" in note for note in report.notes)


SCORES = """
import numpy as np

def softmax_loss(x, y):
    shifted = x - x.max(axis=1, keepdims=True)
    probs = np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True)
    N = x.shape[0]
    loss = -np.sum(np.log(probs[np.arange(N), y])) / N
    dx = probs.copy()
    dx[np.arange(N), y] -= 1
    dx /= N
    return loss, dx
"""


@pytest.mark.parametrize("seed", range(8))
def test_there_are_as_many_classes_as_scores(tmp_path, seed):
    path = tmp_path / "program.py"
    path.write_text(SCORES)
    report = check_file(path, Options(seed=seed))
    assert report.verdict == "right", str(report)


STYLES = Path(__file__).parent / "programs" / "styles"
# A mistake in each, where it is, and why; "" where no cause is named for it, or none is planted.
PLANTED = {
    "attention_batch": (
        "dQ = np.matmul(dS, K) / np.sqrt(d_k)",
        "dQ = np.matmul(dS, K)",
        "dQ",
        "attention_scale_missing",
    ),
    "attention_dict": ("np.diagflat(w) - w @ w.T", "np.diagflat(w)", "dscores", "softmax_outer_missing"),
    "attention_loops": ("dV[n] = A[n].T @ dout[n]", "dV[n] = A[n] @ dout[n]", "dV", "transpose_missing"),
    "attention_torch": ("dS.transpose(-2, -1) @ Q", "dS.transpose(-2, -1) @ K", "dK", ""),
    "heads_slices": ("dQ @ Wq.T + dK @ Wk.T + dV", "dQ @ Wq.T + dV", "dX", "assigned_not_accumulated"),
    "heads_reshaped": ("dx = dq @ Wq.T + dk @ Wk.T +", "dx = dq @ Wq.T - dk @ Wk.T +", "dx", ""),
    # The gradients of what is filled on the way are not judged, but what is computed from them is.
    "attention_filled": (
        "dK[:, r, i] += dS[r] * Q[:, t, i] / np.sqrt(d)",
        "dK[:, r, i] += dS[r] * Q[:, t, i]",
        "dWk",
        "",
    ),
    "lstm_outputs": ("* it * da_next) * (1 - np.square(cct))", "* it * da_next)", "da_next(2)", "derivative_missing"),
    "lstm_rows": ("", "", "", ""),
    "gru": ("", "", "", ""),
}


@pytest.mark.parametrize("name", PLANTED)
def test_attention_and_gates_are_drawn_and_right_as_learners_write_them(name: str, tmp_path: Path) -> None:
    source = (STYLES / f"{name}.py").read_text()
    report = check_file(STYLES / f"{name}.py", Options())
    assert report.verdict == "right", str(report)
    right, wrong, quantity, cause = PLANTED[name]
    if not right:
        return
    assert source.count(right) == 1
    path = tmp_path / f"{name}.py"
    path.write_text(source.replace(right, wrong))
    first = next(check_file(path, Options()).wrong)
    assert first.name.startswith(quantity)
    assert not cause or cause in [each.id for each in first.causes], str(first)


def test_the_lstm_of_the_course_is_drawn_and_right(tmp_path: Path) -> None:
    # Its dc_next is what comes from the next cell alone: the cell adds what comes through a_next.
    source = (STYLES.parent / "lstm.py").read_text()
    path = tmp_path / "lstm.py"
    path.write_text(source[: source.index("def inputs")])
    report = check_file(path, Options())
    assert report.verdict == "right", str(report)
    assert {"dot(3)", "dft(3)", "dc_next(2)"} <= {quantity.name for quantity in report.quantities}


def test_a_path_that_is_forgotten_is_no_other_reading(tmp_path: Path) -> None:
    # A cell with two outputs may leave out its own paths; where only the forgotten one speaks for it, it is a mistake.
    path = tmp_path / "residual.py"
    source = (STYLES.parent / "residual.py").read_text()
    assert source.count("    dA1 += W2.T @ dZ2\n") == 1
    path.write_text(source.replace("    dA1 += W2.T @ dZ2\n", ""))
    assert next(check_file(path, Options()).wrong).name == "dA1"
