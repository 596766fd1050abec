r"""Chapter 1 spelled out: logistic regression as one neuron, from one example to the vectorised form.

$$z^{(i)} = w^T x^{(i)} + b, \qquad \hat y^{(i)} = a^{(i)} = \sigma(z^{(i)}), \qquad
  J(w, b) = \frac1m \sum_{i=1}^m L(a^{(i)}, y^{(i)}), \qquad L(a, y) = -\bigl(y \log a + (1 - y) \log(1 - a)\bigr)$$

Backward, by the chain rule. As in the notes, dz is short for dL/dz, dw for dJ/dw, and so on:

$$da = -\frac ya + \frac{1-y}{1-a}, \qquad dz = da \cdot a(1-a) = a - y, \qquad
  dw_j = \frac1m \sum_i x_j^{(i)} dz^{(i)}, \qquad db = \frac1m \sum_i dz^{(i)}$$

| symbol | shape | meaning |
|---|---|---|
| w, dw | (n_x, 1) | weights, one per feature |
| b, db | () | bias |
| X | (n_x, m) | inputs, one example per column |
| Y | (1, m) | labels, 0 or 1 |
| Z, A, dZ | (1, m) | one entry per example |

Read in order: `one_example`, `loop_over_examples`, `loop_over_examples_and_features`, `vectorised`. The first three
take numbers, or lists, arrays and tensors of them, and return Python floats. `propagate`, `optimize` and `predict` are
the notes' functions around `vectorised`: all their arrays are torch tensors or all are NumPy arrays, results come in
the same kind, and the numbers are the same.

Source: Neural Networks and Deep Learning, week 2.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, SupportsFloat, TypeVar

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from torchbasics.errors import InputError

Array = TypeVar("Array", Tensor, NDArray[Any])
Numbers = Sequence[float] | Tensor | NDArray[Any]
FloatOrArray = TypeVar("FloatOrArray", float, Tensor, NDArray[Any])


def sigmoid(z: FloatOrArray) -> FloatOrArray:
    """sigma(z) = 1 / (1 + e^-z), of a number or elementwise; float64 for integers.

    For z < 0 a number uses the equal e^z / (1 + e^z): e^-z would overflow.
    """
    if isinstance(z, Tensor | np.ndarray):
        z_tensor = _tensor(z)
        return _like(z, torch.sigmoid(z_tensor if z_tensor.is_floating_point() else z_tensor.double()))
    t = math.exp(-abs(z))
    return 1 / (1 + t) if z >= 0 else t / (1 + t)


def loss(z: float, y: float) -> float:
    """L(a, y) = -(y log a + (1-y) log(1-a)) with a = sigma(z), computed from z.

    log a = -log(1 + e^-z) and log(1-a) = -z - log(1 + e^-z), so

        L = y log(1 + e^-z) + (1-y) (z + log(1 + e^-z)) = z - y z + log(1 + e^-z) = max(z, 0) - y z + log(1 + e^-|z|).

    The last step takes the larger term of log(1 + e^z) out of the log, so that nothing overflows; the first form takes
    log 0 once a has rounded to 0 or 1. max(z, 0) - y z comes first because it is exactly 0 where the label is right:
    added last, it would have rounded away the digits of a small log(1 + e^-|z|).
    """
    return max(z, 0.0) - y * z + math.log1p(math.exp(-abs(z)))


class OneExample(NamedTuple):
    """Every quantity of `one_example`; w1, w2 and b are the updated parameters."""

    z: float
    a: float
    loss: float
    dz: float
    dw1: float
    dw2: float
    db: float
    w1: float
    w2: float
    b: float


def one_example(x1: float, x2: float, w1: float, w2: float, b: float, y: float, learning_rate: float) -> OneExample:
    """One step of gradient descent on one example with two features ("Logistic Regression Gradient Descent")."""
    _check_labels([y])
    _check_learning_rate(learning_rate)

    z = w1 * x1 + w2 * x2 + b
    a = sigmoid(z)

    dz = a - y
    dw1 = x1 * dz
    dw2 = x2 * dz
    db = dz

    w1 = w1 - learning_rate * dw1
    w2 = w2 - learning_rate * dw2
    b = b - learning_rate * db
    return OneExample(z, a, loss(z, y), dz, dw1, dw2, db, w1, w2, b)


def loop_over_examples(
    x1: Numbers, x2: Numbers, w1: float, w2: float, b: float, y: Numbers
) -> tuple[float, float, float, float]:
    """J, dw1, dw2, db over m examples with two features ("Gradient Descent on m Examples"); x1, x2, y: m numbers each.

    J, dw1, dw2 and db accumulate over the examples; z, a and dz belong to one example and are overwritten.
    """
    x1, x2, y = _lists(x1, x2, y)
    _check_lists(y, x1, x2)

    m = len(y)
    J, dw1, dw2, db = 0.0, 0.0, 0.0, 0.0
    for i in range(m):
        z = w1 * x1[i] + w2 * x2[i] + b
        a = sigmoid(z)
        J += loss(z, y[i])
        dz = a - y[i]
        dw1 += x1[i] * dz
        dw2 += x2[i] * dz
        db += dz
    return J / m, dw1 / m, dw2 / m, db / m


def loop_over_examples_and_features(
    w: Numbers, b: float, X: Sequence[Numbers] | Tensor | NDArray[Any], Y: Numbers
) -> tuple[float, list[float], float]:
    """J, dw, db over m examples with n_x features: the two loops that `vectorised` does without.

    w: n_x numbers; X: n_x rows of m numbers, so X[j][i] is feature j of example i; Y: m numbers.
    """
    w, Y, *X = _lists(w, Y, *X)
    _check_lists(Y, *X)
    if len(w) != len(X):
        raise InputError(f"w has {len(w)} weights and X {len(X)} rows, expected n_x of both: give one row per feature")

    n_x, m = len(w), len(Y)
    J, dw, db = 0.0, [0.0] * n_x, 0.0
    for i in range(m):
        z = b
        for j in range(n_x):
            z += w[j] * X[j][i]
        a = sigmoid(z)
        J += loss(z, Y[i])
        dz = a - Y[i]
        for j in range(n_x):
            dw[j] += X[j][i] * dz
        db += dz
    return J / m, [dw_j / m for dw_j in dw], db / m


class Vectorised(NamedTuple):
    """Every quantity of `vectorised`. By the 1/m rule dZ is without the 1/m that dw and db have."""

    Z: Float[Tensor, "1 m"]
    A: Float[Tensor, "1 m"]
    J: Float[Tensor, ""]
    dZ: Float[Tensor, "1 m"]
    dw: Float[Tensor, "n_x 1"]
    db: Float[Tensor, ""]


# Not for autograd to go through: |Z| and max(Z, 0) have kinks at Z = 0, where training starts. The slopes that torch
# picks there, 0 and 0, make the derivative -y; the right one is a - y = 1/2 - y.
@torch.no_grad()
def vectorised(
    w: Float[Tensor, "n_x 1"], b: Float[Tensor, ""], X: Float[Tensor, "n_x m"], Y: Float[Tensor, "..."]
) -> Vectorised:
    """Forward and backward over all m examples at once ("Vectorizing Logistic Regression's Gradient Output").

    J is the mean of `loss`. The inputs are torch tensors; `propagate` takes NumPy arrays as well.
    """
    m = X.shape[1]
    if Y.shape != (1, m):  # (m, 1) would broadcast to a dZ of (m, m)
        raise InputError(f"Y has shape {tuple(Y.shape)}, expected (1, {m}): use Y.reshape(1, -1)")
    Z = w.T @ X + b
    A = sigmoid(Z)
    J = torch.sum(Z.clamp(min=0) - Y * Z + torch.log1p(torch.exp(-abs(Z)))) / m

    dZ = A - Y
    dw = X @ dZ.T / m
    db = torch.sum(dZ) / m
    return Vectorised(Z, A, J, dZ, dw, db)


def initialize_with_zeros(dim: int) -> tuple[NDArray[np.float64], float]:
    """w = 0 of shape (dim, 1), a NumPy array as in the notes, and b = 0.0. For torch: `X.new_zeros(n_x, 1)`, 0.0."""
    return np.zeros((dim, 1)), 0.0


def propagate(w: Array, b: SupportsFloat, X: Array, Y: Array) -> tuple[dict[str, Array], Array]:
    """({"dw": (n_x, 1), "db": ()}, cost ()): the gradients of the cost J, and J.

    w (n_x, 1), X (n_x, m) and Y (1, m) are all torch tensors or all NumPy arrays; b is a number or a 0-d one of those.
    All results are of that kind, db and cost 0-d, in the wider dtype of w and X; float64 if both are integers.
    """
    step = vectorised(*_tensors(w, b, X, Y))
    return {"dw": _like(X, step.dw), "db": _like(X, step.db)}, _like(X, step.J)


def optimize(
    w: Array, b: SupportsFloat, X: Array, Y: Array, num_iterations: int, learning_rate: float, print_cost: bool = False
) -> tuple[dict[str, Array], dict[str, Array], list[float]]:
    """Gradient descent, w := w - learning_rate dw and b := b - learning_rate db, on all m examples in each iteration.

    w, b, X, Y: as for `propagate`; w and b are not changed in place. Returns the parameters {"w", "b"}; the gradients
    {"dw", "db"} of the last iteration, evaluated before its update; and as floats the costs before the updates of
    iterations 0, 100, 200, ..., which `print_cost` prints. b and db are 0-d, whatever kind of scalar b was.
    """
    _check_learning_rate(learning_rate)
    if num_iterations < 1:
        raise InputError(f"num_iterations is {num_iterations}, expected 1 or more: the last one's gradients come back")
    w_now, b_now, inputs, labels = _tensors(w, b, X, Y)

    costs = []
    for i in range(num_iterations):
        step = vectorised(w_now, b_now, inputs, labels)
        w_now = w_now - learning_rate * step.dw
        b_now = b_now - learning_rate * step.db
        if i % 100 == 0:
            costs.append(step.J.item())
            if print_cost:
                print(f"Cost after iteration {i}: {costs[-1]:f}")

    params = {"w": _like(X, w_now), "b": _like(X, b_now)}
    return params, {"dw": _like(X, step.dw), "db": _like(X, step.db)}, costs


def predict(w: Array, b: SupportsFloat, X: Array) -> Array:
    """(1, m) of 1. where a > 0.5 and 0. elsewhere, in the kind and dtype that `propagate` returns for w, b and X."""
    weights, bias, inputs = _tensors(w, b, X)
    A = sigmoid(weights.T @ inputs + bias)
    return _like(X, (A > 0.5).to(A.dtype))


def _tensors(w: Any, b: Any, X: Any, Y: Any = None) -> list[Tensor]:
    """w, b, X and, if given, Y as tensors of one floating dtype without a graph; an InputError if they do not fit."""
    bias = {"b": b} if isinstance(b, Tensor | np.ndarray) else {}
    labels = {} if Y is None else {"Y": Y}
    given = {"w": w, "X": X} | bias | labels
    if not any(all(isinstance(array, kind) for array in given.values()) for kind in (Tensor, np.ndarray)):
        came = ", ".join(f"{name} is a {type(array).__name__}" for name, array in given.items())
        raise InputError(f"{came}; expected all torch tensors or all NumPy arrays: use np.array or torch.from_numpy")

    w, X = _tensor(w), _tensor(X)
    shapes = f"w has shape {tuple(w.shape)} and X {tuple(X.shape)}"
    if w.ndim != 2 or w.shape[1] != 1:
        raise InputError(f"{shapes}, expected w to be a column (n_x, 1): use w.reshape(-1, 1)")
    if X.ndim != 2 or X.numel() == 0:
        raise InputError(f"{shapes}, expected X to be (n_x, m) and not empty: m images go in as X.reshape(m, -1).T")
    n_x, m = X.shape
    if w.shape[0] != n_x:
        advice = "X holds examples as rows, use X.T" if w.shape[0] == m else "give w one weight per row of X"
        raise InputError(f"{shapes}, expected (n_x, 1) and (n_x, m): {advice}")

    dtype = torch.promote_types(w.dtype, X.dtype)
    dtype = dtype if dtype.is_floating_point else torch.float64
    b = torch.as_tensor(b, dtype=dtype, device=X.device)
    if b.ndim != 0:
        raise InputError(f"b has shape {tuple(b.shape)}, expected a scalar: use b.item()")
    tensors = [w, b, X]

    if Y is not None:
        Y = _tensor(Y)
        if Y.shape != (1, m):
            advice = "use Y.reshape(1, -1)" if Y.numel() == m else "give one label per column of X"
            raise InputError(f"Y has shape {tuple(Y.shape)} and X {tuple(X.shape)}, expected Y (1, {m}): {advice}")
        _check_labels(Y[0].tolist())
        tensors.append(Y)
    return [tensor.detach().to(dtype) for tensor in tensors]


def _tensor(array: Tensor | NDArray[Any]) -> Tensor:
    """The array as a tensor on the same memory, or on a copy where torch cannot share it: read-only, or reversed."""
    if isinstance(array, Tensor):
        return array
    if np.iscomplexobj(array) or array.dtype.kind not in "biuf":
        raise InputError(f"an array has dtype {array.dtype}, expected real numbers")
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    shareable = array.flags.writeable and min(array.strides, default=0) >= 0
    return torch.from_numpy(array if shareable else array.copy())


def _like(array: Array, result: Tensor) -> Array:
    """The result in the kind of `array`."""
    return result.numpy() if isinstance(array, np.ndarray) else result


def _lists(*numbers: Numbers) -> list[list[float]]:
    """m numbers each, as a loop of Python's reads them: from a list, an array or a tensor."""
    return [n.tolist() if isinstance(n, Tensor | np.ndarray) else list(n) for n in numbers]


def _check_lists(labels: Sequence[float], *features: Sequence[float]) -> None:
    lengths = [len(x) for x in features]
    if not labels or set(lengths) != {len(labels)}:
        raise InputError(f"{len(labels)} labels and features of {lengths} numbers, expected m of each: m is at least 1")
    _check_labels(labels)


def _check_labels(labels: Sequence[float | int]) -> None:
    wrong = set(labels) - {0, 1}
    if wrong:
        raise InputError(f"Y holds the label {min(wrong):g}, expected 0 and 1 only: number the two classes so")


def _check_learning_rate(learning_rate: float) -> None:
    if not 0 <= learning_rate < math.inf:
        raise InputError(f"learning_rate is {learning_rate:g}, expected 0 or more: the update has its minus sign")
