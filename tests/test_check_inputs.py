"""Files as people write them: parameters held in every way, functions called by many names, and what is said where
nothing can be found. Every right file is judged once more with a mistake in it."""

import textwrap

import numpy as np
import pytest

from torchbasics.check.file import check_file
from torchbasics.check.options import Options
from torchbasics.check.program.draw import Drawing
from torchbasics.check.program.find import find
from torchbasics.check.program.inputs import candidates
from torchbasics.check.program.sizes import Layout, following, sizes
from torchbasics.check.program.source import load
from torchbasics.check.program.wanted import depth, wanted
from torchbasics.check.report import Report

HEAD = """
import numpy as np

def sigmoid(z):
    return 1 / (1 + np.exp(-z))
"""

DEEP = """
def forward(X, parameters):
    caches = {KA0: X}
    L = len(parameters) // 2
    A = X
    for l in range(1, L + 1):
        Z = parameters[KW] @ A + parameters[Kb]
        A = np.tanh(Z) if l < L else sigmoid(Z)
        caches[KZ], caches[KA] = Z, A
    return A, caches

def cost(AL, Y):
    return -np.mean(Y * np.log(AL) + (1 - Y) * np.log(1 - AL))

def backward(AL, Y, caches, parameters):
    grads = {}
    m = Y.shape[1]
    dZ = AL - Y
    for l in range(len(parameters) // 2, 0, -1):
        grads[KdW] = dZ @ caches[KAprev].T / m
        grads[Kdb] = dZ.sum(axis=1, keepdims=True) / m
        if l > 1:
            dZ = (parameters[KW].T @ dZ) * (1 - caches[KAprev] ** 2)
    return grads
"""

TWO = """
def forward(X, {holder}):
    {unpacking}
    Z1 = W1 @ X + b1
    A1 = np.tanh(Z1)
    Z2 = W2 @ A1 + b2
    A2 = sigmoid(Z2)
    return A2, {{"A1": A1, "A2": A2}}

def cost(A2, Y):
    return -np.mean(Y * np.log(A2) + (1 - Y) * np.log(1 - A2))

def backward({holder}, cache, X, Y):
    {unpacking}
    m = X.shape[1]
    A1, A2 = cache["A1"], cache["A2"]
    dZ2 = A2 - Y
    dW2 = dZ2 @ A1.T / m
    db2 = dZ2.sum(axis=1, keepdims=True) / m
    dZ1 = (W2.T @ dZ2) * (1 - A1 ** 2)
    dW1 = dZ1 @ X.T / m
    db1 = dZ1.sum(axis=1, keepdims=True) / m
    return dW1, db1, dW2, db2
"""

LAYERS = """
def forward(X, layers):
    A, cache = X, []
    for LOOP in layers:
        Z = W @ A + b
        cache.append((A, Z))
        A = sigmoid(Z)
    return A, cache

def cost(A, Y):
    return np.sum((A - Y) ** 2)

def backward(A, Y, cache, layers):
    grads = []
    dA = 2 * (A - Y)
    for LOOP, (A_prev, Z) in zip(reversed(layers), reversed(cache)):
        dZ = dA * sigmoid(Z) * (1 - sigmoid(Z))
        dW = dZ @ A_prev.T
        db = dZ.sum(axis=1, keepdims=True)
        grads.insert(0, (dW, db))
        dA = W.T @ dZ
    return grads
"""

SOFTMAX_ROWS = """
import numpy as np

def forward(X_train, FIRST, SECOND):
    n, _ = X_train.shape
    h = np.maximum(X_train @ W_H + b_H, 0)
    scores = h @ W_O + b_O
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    probs = e / e.sum(axis=1, keepdims=True)
    return h, probs

def cross_entropy_loss(probs, labels):
    n, _ = probs.shape
    return -np.log(probs[np.arange(n), labels]).mean()

def backward(X_train, labels, h, probs, W_O):
    n, _ = X_train.shape
    dscores = probs.copy()
    dscores[np.arange(n), labels] -= 1
    dscores /= n
    grad_W_O = h.T @ dscores
    grad_b_O = dscores.sum(axis=0)
    dh = dscores @ W_O.T * (h > 0)
    return X_train.T @ dh, dh.sum(axis=0), grad_W_O, grad_b_O
"""

COURSE = """
def costFunction(theta, X, y):
    m = len(y)
    h = sigmoid(X @ theta)
    return -(y.T @ np.log(h) + (1 - y).T @ np.log(1 - h)) / m

def gradient(theta, X, y):
    m = len(y)
    h = sigmoid(X @ theta)
    grad = X.T @ (h - y) / m
    return grad

def gradientDescent(theta, X, y, alpha, num_iters):
    for _ in range(num_iters):
        theta = theta - alpha * gradient(theta, X, y)
    return theta
"""

FLAT = """
def computeCost(X, y, theta):
    h = sigmoid(X.dot(theta.reshape(-1, 1)))
    J = -(np.log(h).T.dot(y) + np.log(1 - h).T.dot(1 - y)) / y.size
    return J[0]

def gradient(X, y, theta):
    h = sigmoid(X.dot(theta.reshape(-1, 1)))
    grad = X.T.dot(h - y) / y.size
    return grad.flatten()
"""

LOOPS = """
def compute_cost(x, y, w, b):
    m = x.shape[0]
    total = 0
    for i in range(m):
        total = total + (w * x[i] + b - y[i]) ** 2
    return total / (2 * m)

def compute_gradient(x, y, w, b):
    m = x.shape[0]
    dj_dw = 0
    dj_db = 0
    for i in range(m):
        error = w * x[i] + b - y[i]
        dj_dw += error * x[i]
        dj_db += error
    return dj_dw / m, dj_db / m
"""

NABLA = """
def feedforward(x, w1, b1, w2, b2):
    z1 = w1 @ x + b1
    a1 = sigmoid(z1)
    z2 = w2 @ a1 + b2
    a2 = sigmoid(z2)
    return z1, a1, z2, a2

def cost(a2, y):
    return 0.5 * np.sum((a2 - y) ** 2)

def backprop(x, y, w1, b1, w2, b2):
    z1, a1, z2, a2 = feedforward(x, w1, b1, w2, b2)
    delta2 = (a2 - y) * a2 * (1 - a2)
    nabla_w2 = delta2 @ a1.T
    nabla_b2 = delta2.sum(axis=1, keepdims=True)
    delta1 = w2.T @ delta2 * a1 * (1 - a1)
    nabla_w1 = delta1 @ x.T
    nabla_b1 = delta1.sum(axis=1, keepdims=True)
    return nabla_w1, nabla_b1, nabla_w2, nabla_b2
"""

ARCHITECTURE = """
ARCHITECTURE = [{"input_dim": 2, "output_dim": 4}, {"input_dim": 4, "output_dim": 6}, {"input_dim": 6, "output_dim": 1}]

def init_layers(architecture, seed=99):
    values = {}
    for number, layer in enumerate(architecture, 1):
        values["W" + str(number)] = np.zeros((layer["output_dim"], layer["input_dim"]))
        values["b" + str(number)] = np.zeros((layer["output_dim"], 1))
    return values
""" + DEEP.replace("(X, parameters)", "(X, parameters, architecture)").replace(
    "L = len(parameters) // 2", "L = len(architecture)"
)


def keyed(source: str, key: str) -> str:
    """The program with its keys made as `key` says, where NAME stands for W and NUMBER for l."""

    def made(name: str, number: str) -> str:
        return key.replace("NAME", name).replace("NUMBER", number)

    source = source.replace("KA0", made("A", "0")).replace("KAprev", made("A", "l - 1"))
    for name in ("dW", "db", "W", "b", "Z", "A"):
        source = source.replace(f"K{name}", made(name, "l"))
    return HEAD + source


def held(holder: str, unpacking: str) -> str:
    return HEAD + TWO.format(holder=holder, unpacking=unpacking)


def rows(first: str, second: str) -> str:
    source = (
        SOFTMAX_ROWS.replace("FIRST, SECOND", "W_H, b_H, W_O, b_O")
        .replace("grad_b_O", "dBO")
        .replace("grad_W_O", "dWO")
    )
    named = {"W_H": first, "b_H": first.replace("W", "b").replace("weights", "bias")}
    named |= {"W_O": second, "b_O": second.replace("W", "b").replace("weights", "bias")}
    named |= {"dWO": f"grad_{named['W_O']}", "dBO": f"grad_{named['b_O']}"}
    for name, new in named.items():
        source = source.replace(name, new)
    return source


DEEPLY = ("/ m\n        if", "\n        if")
TWICE = ("db1 = ", "db1 = 2 * ")
PLAIN_KEY = 'f"NAME{NUMBER}"'

PROGRAMS = {
    "percent": (keyed(DEEP, '"NAME%d" % (NUMBER)'), DEEPLY),
    "percent of a name": (keyed(DEEP, '"%s%d" % ("NAME", NUMBER)'), DEEPLY),
    "format": (keyed(DEEP, '"NAME{}".format(NUMBER)'), DEEPLY),
    "f-string": (keyed(DEEP, PLAIN_KEY), DEEPLY),
    "sum": (keyed(DEEP, "'NAME' + str(NUMBER)"), DEEPLY),
    "architecture of the file": (keyed(ARCHITECTURE, PLAIN_KEY), DEEPLY),
    "generator": (held("parameters", 'W1, b1, W2, b2 = (parameters[k] for k in ("W1", "b1", "W2", "b2"))'), TWICE),
    "get": (held("params", 'W1, b1, W2, b2 = map(params.get, ["W1", "b1", "W2", "b2"])'), TWICE),
    "model": (held("model", 'W1, b1, W2, b2 = [model[n + i] for i in "12" for n in "Wb"]'), TWICE),
    "net": (held("net", "W1, b1, W2, b2 = net['W1'], net['b1'], net['W2'], net['b2']"), TWICE),
    "tuple": (held("params", "W1, b1, W2, b2 = params"), TWICE),
    "pairs": (held("params", "(W1, b1), (W2, b2) = params"), TWICE),
    "layers as tuples": (HEAD + LAYERS.replace("LOOP", "(W, b)"), ("dW = dZ", "dW = 2 * dZ")),
    "hidden and output": (rows("W_hidden", "W_out"), ("* (h > 0)", "* (h > 0.3)")),
    "weights1": (rows("weights1", "weights2"), ("dh.sum(axis=0)", "2 * dh.sum(axis=0)")),
    "older course": (HEAD + COURSE, ("(h - y) / m", "(h - y)")),
    "flat theta": (HEAD + FLAT, ("(h - y) / y.size", "(h - y)")),
    "one feature": (HEAD + LOOPS, ("dj_db / m", "dj_db")),
    "nabla": (HEAD + NABLA, ("nabla_b1 = delta1", "nabla_b1 = 2 * delta1")),
}


@pytest.fixture
def check(tmp_path):
    """Check a program given as text."""

    def run(source: str, **options) -> Report:
        path = tmp_path / "program.py"
        path.write_text(textwrap.dedent(source))
        return check_file(path, Options(**options))

    return run


@pytest.mark.parametrize(("source", "mistake"), PROGRAMS.values(), ids=PROGRAMS)
def test_a_right_file_is_right_and_with_a_mistake_it_is_wrong(check, source, mistake):
    report = check(source)
    assert report.verdict == "right", (report.reason, [q.name for q in report.wrong])
    old, new = mistake
    assert old in source
    assert check(source.replace(old, new)).verdict == "wrong"


def drawn(tmp_path, source: str, **options) -> dict:
    """The first inputs that are drawn."""
    path = tmp_path / "program.py"
    path.write_text(source)
    program = load(path)
    (plan,) = find(program, Options(**options))
    inputs, how, _ = next(candidates(program, plan, Options(**options)))
    assert how == "inputs: drawn, seed 0"
    return inputs


INITIALISER = """
def initialize_parameters():
    return {"W1": np.zeros((4, 3)), "b1": np.zeros((4, 1)), "W2": np.zeros((1, 4)), "b2": np.zeros((1, 1))}
"""


def test_the_data_follow_the_sizes_of_the_files_own_initialiser(tmp_path):
    source = held("parameters", 'W1, b1, W2, b2 = (parameters[k] for k in ("W1", "b1", "W2", "b2"))') + INITIALISER
    inputs = drawn(tmp_path, source)
    m = inputs["X"].shape[1]
    assert inputs["X"].shape == (3, m)
    assert inputs["Y"].shape == (1, m)
    assert m not in (1, 3, 4)
    assert inputs["parameters"]["W1"].shape == (4, 3)
    assert np.abs(inputs["parameters"]["b1"]).min() > 0


def test_a_shape_leaves_the_initialiser_on_for_the_rest(tmp_path):
    source = held("parameters", 'W1, b1, W2, b2 = (parameters[k] for k in ("W1", "b1", "W2", "b2"))') + INITIALISER
    inputs = drawn(tmp_path, source, shape={"W1": (4, 9)})
    assert inputs["parameters"]["W1"].shape == (4, 9)
    assert inputs["parameters"]["W2"].shape == (1, 4)
    assert inputs["X"].shape[0] == 9


def test_sizes_are_pairwise_distinct_and_no_bias_is_zero(tmp_path):
    inputs = drawn(tmp_path, keyed(DEEP, '"NAME{}".format(NUMBER)'))
    parameters = inputs["parameters"]
    assert sorted(parameters) == ["W1", "W2", "W3", "b1", "b2", "b3"]
    found = [inputs["X"].shape[1], inputs["X"].shape[0], *(parameters[f"W{layer}"].shape[0] for layer in (1, 2, 3))]
    assert len(set(found)) == len(found)
    assert found[0] > 1
    assert all(np.abs(parameters[f"b{layer}"]).min() > 0 for layer in (1, 2, 3))


LISTS = """
import numpy as np

def forward(X, weights, biases):
    activations = [X]
    for l in range(len(weights)):
        activations.append(np.tanh(np.dot(weights[l], activations[-1]) + biases[l]))
    return activations[-1], activations

def cost(A, Y):
    return np.sum((A - Y) ** 2)

def backward(A, Y, activations, weights, biases):
    dA = 2 * (A - Y)
    return dA
"""


def test_weights_and_biases_may_be_lists(tmp_path):
    inputs = drawn(tmp_path, LISTS)
    weights, biases = inputs["weights"], inputs["biases"]
    assert len(weights) == len(biases) == 3
    for W, b, into in zip(weights, biases, [inputs["X"], *weights], strict=False):
        assert W.shape[1] == into.shape[0]
        assert b.shape == (W.shape[0], 1)


def test_layers_may_start_at_one(tmp_path):
    shifted = LISTS.replace("in range(len(weights))", "in range(1, len(weights))")
    path = tmp_path / "program.py"
    path.write_text(shifted)
    program = load(path)
    (plan,) = find(program, Options())
    asked = wanted(program, plan)
    layout = Layout("last", "out, in", "column")
    generator = np.random.default_rng(0)
    chosen = sizes(generator, Options(), depth(asked), layout)
    _, second, *_ = Drawing(program, plan, asked, layout, chosen, generator, Options()).draw()
    assert second["weights"][0] is None
    assert [W.shape[0] for W in second["weights"][1:]] == [chosen["n1"], chosen["n2"], chosen["n3"]]


def test_sizes_that_contradict_a_layout_are_no_sizes_of_it():
    known = {"m": 7, "n0": 5, "n1": 6, "n2": 1, "L": 2}
    shapes = {1: (4, 3), 2: (1, 4)}
    found = following(known, shapes, Layout("last", "out, in", "column"))
    assert found is not None
    assert {name: found[name] for name in ("n0", "n1", "n2")} == {"n0": 3, "n1": 4, "n2": 1}
    assert following(known, shapes, Layout("first", "in, out", "vector")) is None


SOFTMAX = """
import numpy as np

def forward(X, W, b):
    Z = W @ X + b
    e = np.exp(Z - Z.max(axis=0))
    A = e / e.sum(axis=0)
    return Z, A

def cost(A, Y):
    return -np.sum(Y * np.log(A)) / Y.shape[1]

def backward(X, Y, Z, A):
    dZ = (A - Y) / Y.shape[1]
    return dZ @ X.T, dZ.sum(axis=1, keepdims=True)
"""


def test_a_softmax_is_given_more_than_one_class(tmp_path):
    inputs = drawn(tmp_path, SOFTMAX)
    assert inputs["Y"].shape[0] > 1
    assert (inputs["Y"].sum(axis=0) == 1).all()


def test_arrays_of_the_module_are_named_as_what_they_are(check):
    source = held("params", "W1, b1, W2, b2 = params").replace("Z1 = W1 @ X + b1", "Z1 = W1 @ (X * SCALE) + b1")
    source = source.replace("dZ1 @ X.T", "dZ1 @ (X * SCALE).T") + "\nSCALE = np.array([[2.0]])\n"
    report = check(source)
    assert report.verdict == "right"
    assert report.reason == "inputs: drawn, seed 0, beside the file's own SCALE"


REMEMBERING = """
SEEN = []

def forward(X, W, b):
    SEEN.append(X)
    return W @ X + b

def cost(A, Y):
    return ((A - Y) ** 2).sum()

def backward(A, X, Y):
    dZ = 2 * (A - Y)
    return {"dW": dZ @ X.T, "db": dZ.sum(axis=1, keepdims=True)}
"""


def test_inputs_are_tried_on_other_values_than_they_are_judged_with(tmp_path):
    # An np.empty of the run that is judged could find the right results of the run before in its memory.
    path = tmp_path / "program.py"
    path.write_text(REMEMBERING)
    program = load(path)
    (plan,) = find(program, Options())
    inputs, *_ = next(candidates(program, plan, Options()))
    tried = program.namespace["SEEN"][-1]
    assert tried.shape == inputs["X"].shape
    assert (tried != inputs["X"]).all()


CLASS = """
class Net:
    def forward(self, X):
        return X
    def backward(self, dout):
        return dout
"""

REASONS = {
    "no function": ("x = 1\n", "it defines no function; expected a forward and a backward one"),
    "a class": (CLASS, "forward and backward are methods of class Net; expected functions at the top of the file"),
    "training": (
        "def gradientDescent(X, y, theta):\n    grad = X\n    return theta\n",
        "gradientDescent is the training; expected a function that returns the gradients",
    ),
    "other names": (
        "def vorwaerts(X):\n    return X\ndef zurueck(X):\n    return X\n",
        "no forward or backward function is recognised among vorwaerts, zurueck; name it with --forward NAME",
    ),
    "no backward": (
        "def forward(X):\n    return X\ndef backwards_prop(X):\n    return X\n",
        "no backward function is recognised among forward, backwards_prop; did you mean 'backwards_prop' for it?",
    ),
    "an argument": (
        "def forward(X, mystery):\n    return X\ndef backward(dout):\n    return dout\n",
        "forward takes 'mystery', which nothing is known for; give it in an inputs of the file",
    ),
    "module's parameters": (
        "import numpy as np\nW = np.ones((2, 3))\ndef forward(X):\n    A = W @ X\n    return A\n"
        "def backward(dA, X):\n    dW = dA @ X.T\n    return dW\n",
        "forward and backward compute with W of the module; expected arguments, such as forward(W)",
    ),
}


@pytest.mark.parametrize(("source", "reason"), REASONS.values(), ids=REASONS)
def test_what_cannot_be_checked_says_why(check, source, reason):
    report = check(source)
    assert report.verdict == "unchecked"
    assert report.reason.startswith(reason)
    assert "\n" not in report.reason


def test_a_function_that_is_not_there_is_answered_with_the_nearest(check):
    report = check(LISTS, forward="forwards")
    assert report.verdict == "unchecked"
    assert report.reason.startswith("no function is called 'forwards'; did you mean 'forward'?")
