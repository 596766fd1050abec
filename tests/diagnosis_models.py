"""The models whose steps are diagnosed, as learners write them; each draws its own sizes and numbers from a seed."""

from collections.abc import Mapping

import numpy as np
import torch
from diagnosis_steps import Program, Tap
from torch import Tensor

Leaves = Mapping[str, Tensor]


def sizes(random: np.random.Generator, count: int, low: int = 3, high: int = 10) -> list[int]:
    """Pairwise distinct."""
    return [int(size) for size in random.choice(np.arange(low, high), count, replace=False)]


def entropy(A: Tensor, Y: Tensor) -> Tensor:
    return -(Y * torch.log(A) + (1 - Y) * torch.log(1 - A)).sum() / Y.shape[-1]


def classes(random: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    labels = random.permutation(np.arange(shape[0] * shape[1]) % 2).reshape(shape)
    return labels.astype(float)


def two_layers(
    random: np.random.Generator,
    activation: str = "tanh",
    loss: str = "entropy",
    claims: str = "Z2 W2 b2 A1 Z1 W1 b1",
    n_y: int = 1,
    square: bool = False,
    lambd: float = 0.0,
    keep_prob: float = 1.0,
    notes: bool = True,
) -> Program:
    """X -> tanh, ReLU, ... -> sigmoid, with L2 or dropout if asked for."""
    n_x, n, m = sizes(random, 3, 4)
    n_y = n if square else n_y
    n_x = n if square else n_x
    inputs = {
        "X": random.normal(size=(n_x, m)),
        "Y": classes(random, (n_y, m)),
        "W1": random.normal(size=(n, n_x)),
        "b1": random.normal(size=(n, 1)),
        "W2": random.normal(size=(n_y, n)),
        "b2": random.normal(size=(n_y, 1)),
    }
    D = (random.permutation(np.arange(n * m)) < keep_prob * n * m).reshape(n, m).astype(float)
    g = {
        "tanh": torch.tanh,
        "sigmoid": torch.sigmoid,
        "relu": torch.relu,
        "leaky": lambda Z: torch.where(Z > 0, Z, 0.01 * Z),
    }[activation]

    def model(v: Leaves, tap: Tap) -> Tensor:
        Z1 = tap("Z1", v["W1"] @ v["X"] + v["b1"])
        A1 = tap("H1" if keep_prob < 1 else "A1", g(Z1))
        if keep_prob < 1:
            A1 = tap("A1", A1 * torch.from_numpy(D) / keep_prob)
        Z2 = tap("Z2", v["W2"] @ A1 + v["b2"])
        A2 = tap("A2", torch.sigmoid(Z2))
        cost = entropy(A2, v["Y"]) if loss == "entropy" else ((A2 - v["Y"]) ** 2).sum() / m
        return cost + lambd / (2 * m) * ((v["W1"] ** 2).sum() + (v["W2"] ** 2).sum())

    scalars = {
        name: value
        for name, value, used in (
            ("lambd", lambd, lambd > 0),
            ("keep_prob", keep_prob, keep_prob < 1),
            ("learning_rate", 0.075, True),
        )
        if used
    }
    parameters = ("W1", "b1", "W2", "b2")
    locals_ = {"D1": D} if keep_prob < 1 else {}
    return Program(model, inputs, parameters, m, tuple(claims.split()), scalars, locals_, notes)


def logistic(random: np.random.Generator) -> Program:
    """`propagate`: A = sigmoid(w^T X + b), and no Z or dZ by name."""
    n, m = sizes(random, 2, 4)
    inputs = {"w": random.normal(size=(n, 1)), "b": np.asarray(random.normal()), "X": random.normal(size=(n, m))}

    def model(v: Leaves, tap: Tap) -> Tensor:
        A = tap("A", torch.sigmoid(v["w"].T @ v["X"] + v["b"]))
        return entropy(A, v["Y"])

    return Program(model, {**inputs, "Y": classes(random, (1, m))}, ("w", "b"), m, ("w", "b"))


def rows(random: np.random.Generator) -> Program:
    """Examples first, integer labels, the softmax inside the cost, autograd's convention."""
    D, H, C, N = sizes(random, 4)
    inputs = {
        "X": random.normal(size=(N, D)),
        "y": random.permutation(np.arange(N) % C).astype(float),
        "W1": random.normal(size=(D, H)),
        "b1": random.normal(size=H),
        "W2": random.normal(size=(H, C)),
        "b2": random.normal(size=C),
    }

    def model(v: Leaves, tap: Tap) -> Tensor:
        h = tap("h", torch.relu(v["X"] @ v["W1"] + v["b1"]))
        scores = tap("scores", h @ v["W2"] + v["b2"])
        return torch.nn.functional.cross_entropy(scores, v["y"].long())

    claims = ("scores", "W2", "b2", "h", "W1", "b1")
    return Program(model, inputs, ("W1", "b1", "W2", "b2"), N, claims, notes=False)


def softmax(random: np.random.Generator, claims: str = "A Z W b") -> Program:
    """A softmax layer, columns, with dA by name."""
    n_x, n_y, m = sizes(random, 3)
    inputs = {
        "X": random.normal(size=(n_x, m)),
        "Y": np.eye(n_y)[:, random.integers(n_y, size=m)],
        "W": random.normal(size=(n_y, n_x)),
        "b": random.normal(size=(n_y, 1)),
    }

    def model(v: Leaves, tap: Tap) -> Tensor:
        Z = tap("Z", v["W"] @ v["X"] + v["b"])
        A = tap("A", torch.softmax(Z, 0))
        return -(v["Y"] * torch.log(A)).sum() / m

    return Program(model, inputs, ("W", "b"), m, tuple(claims.split()))


def residual(random: np.random.Generator) -> Program:
    """S = A2 + A1, and T = A2 - X too, so that there is a subtraction."""
    n, m = sizes(random, 2, 4)
    inputs = {
        "X": random.normal(size=(n, m)),
        "Y": classes(random, (1, m)),
        "W1": random.normal(size=(n, n)),
        "W2": random.normal(size=(n, n)),
        "W3": random.normal(size=(1, n)),
    }

    def model(v: Leaves, tap: Tap) -> Tensor:
        A1 = tap("A1", torch.tanh(tap("Z1", v["W1"] @ v["X"])))
        A2 = tap("A2", torch.tanh(tap("Z2", v["W2"] @ A1)))
        S = tap("S", A2 + A1)
        T = tap("T", S - torch.exp(A2))
        A3 = tap("A3", torch.sigmoid(tap("Z3", v["W3"] @ T)))
        return entropy(A3, v["Y"])

    return Program(model, inputs, ("W1", "W2", "W3"), m, ("Z3", "T", "S", "A2", "Z2", "A1", "Z1"))


def batch_norm(random: np.random.Generator, steps: bool = True) -> Program:
    """Z1 -> Z_hat -> Z_tilde -> tanh, with nobody naming the statistics' gradients; or Z1 -> Z_tilde in one line."""
    n_x, n, m = sizes(random, 3, 4)
    inputs = {
        "X": random.normal(size=(n_x, m)),
        "Y": classes(random, (1, m)),
        "W1": random.normal(size=(n, n_x)),
        "gamma": random.normal(size=(n, 1)),
        "beta": random.normal(size=(n, 1)),
        "W2": random.normal(size=(1, n)),
    }

    def model(v: Leaves, tap: Tap) -> Tensor:
        Z1 = tap("Z1", v["W1"] @ v["X"])
        inner = tap if steps else lambda label, value: value
        mu = inner("mu", Z1.mean(1, keepdim=True))
        s = inner("s", torch.sqrt(((Z1 - mu) ** 2).mean(1, keepdim=True) + 1e-5))
        Z_hat = inner("Z_hat", (Z1 - mu) / s)
        Z_tilde = tap("Z_tilde", v["gamma"] * Z_hat + v["beta"])
        A1 = tap("A1", torch.tanh(Z_tilde))
        A2 = tap("A2", torch.sigmoid(tap("Z2", v["W2"] @ A1)))
        return entropy(A2, v["Y"])

    claims = f"Z2 W2 A1 Z_tilde gamma beta {'Z_hat' if steps else ''} Z1 W1"
    return Program(model, inputs, ("W1", "gamma", "beta", "W2"), m, tuple(claims.split()))


def convolution(random: np.random.Generator, stride: int = 1, pad: int = 1) -> Program:
    """`conv_forward` alone in the course's layout, graded by sum(R * Z)."""
    m, n_H, n_W, C, F, f = 2, 5, 6, 3, 3, 2
    inputs = {
        "A_prev": random.normal(size=(m, n_H, n_W, C)),
        "W": random.normal(size=(f, f, C, F)),
        "b": random.normal(size=(1, 1, 1, F)),
    }
    weights: list[Tensor] = []

    def model(v: Leaves, tap: Tap) -> Tensor:
        X, K = v["A_prev"].permute(0, 3, 1, 2), v["W"].permute(3, 2, 0, 1)
        Z = torch.nn.functional.conv2d(X, K, v["b"].reshape(-1), stride, pad).permute(0, 2, 3, 1)
        if not weights:
            weights.append(torch.from_numpy(random.normal(size=tuple(Z.shape))))
        return (tap("Z", Z) * weights[0]).sum()

    return Program(model, inputs, ("W", "b"), m, ("Z", "A_prev", "W", "b"), {"stride": stride, "pad": pad}, notes=False)


def pool(random: np.random.Generator, mode: str = "max", stride: int = 1) -> Program:
    """`pool_forward` alone, with f = stride + 1, so that windows overlap."""
    f = stride + 1
    weights: list[Tensor] = []

    def model(v: Leaves, tap: Tap) -> Tensor:
        X = v["A_prev"].permute(0, 3, 1, 2)
        pooled = torch.nn.functional.max_pool2d if mode == "max" else torch.nn.functional.avg_pool2d
        A = tap("A", pooled(X, f, stride).permute(0, 2, 3, 1))
        if not weights:
            weights.append(torch.from_numpy(random.normal(size=tuple(A.shape))))
        return (A * weights[0]).sum()

    inputs = {"A_prev": random.normal(size=(2, 5, 6, 3))}
    return Program(model, inputs, (), 2, ("A", "A_prev"), {"f": f, "stride": stride}, notes=False)


def embedding(random: np.random.Generator) -> Program:
    """H = mean of E[:, words], words repeated."""
    n, V, m, T = sizes(random, 4, 3, 8)
    words = random.integers(V, size=(m, T))
    words[1] = words[0]
    inputs = {
        "words": words.astype(float),
        "E": random.normal(size=(n, V)),
        "W": random.normal(size=(1, n)),
        "Y": classes(random, (1, m)),
    }

    def model(v: Leaves, tap: Tap) -> Tensor:
        H = tap("H", v["E"][:, v["words"].long()].mean(2))
        A = tap("A", torch.sigmoid(tap("Z", v["W"] @ H)))
        return entropy(A, v["Y"])

    return Program(model, inputs, ("E", "W"), m, ("Z", "W", "H", "E"))


def gated(random: np.random.Generator) -> Program:
    """C = G * C_tilde + (1 - G) * c_prev."""
    n_x, n, m = sizes(random, 3)
    inputs = {
        "x": random.normal(size=(n_x, m)),
        "c_prev": random.normal(size=(n, m)),
        "Wg": random.normal(size=(n, n_x)),
        "Wc": random.normal(size=(n, n_x)),
        "v": random.normal(size=(1, n)),
        "y": random.normal(size=(1, m)),
    }

    def model(v: Leaves, tap: Tap) -> Tensor:
        G = tap("G", torch.sigmoid(tap("Zg", v["Wg"] @ v["x"])))
        C_tilde = tap("C_tilde", torch.tanh(tap("Zc", v["Wc"] @ v["x"])))
        C = tap("C", G * C_tilde + (1 - G) * v["c_prev"])
        y_hat = tap("y_hat", v["v"] @ C)
        return ((y_hat - v["y"]) ** 2).sum() / (2 * m)

    claims = "y_hat v C C_tilde G Zc Zg Wc Wg"
    return Program(model, inputs, ("Wg", "Wc", "v"), m, tuple(claims.split()))
