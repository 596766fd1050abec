"""Programs as the course has one write them, unchanged but for the module they are given."""

import builtins
from typing import Any

import numpy as np
import pytest
import torch
from tracing import NP, STAND_INS, Program, agrees, arrays, trace

FLOAT: Any = STAND_INS.builtins["float"]
Y = np.array([[1, 0, 0, 1, 1]])


def logistic(np: Any, w: Any, b: Any, X: Any) -> Any:
    float = FLOAT if np is NP else builtins.float
    m = X.shape[1]
    A = 1 / (1 + np.exp(-(np.dot(w.T, X) + b)))
    cost = -1 / m * np.sum(Y * np.log(A) + (1 - Y) * np.log(1 - A))
    cost = np.squeeze(np.array(cost))
    assert cost.shape == ()
    assert A.dtype == float
    cost = float(cost)
    assert isinstance(cost, float)
    return cost


def loop_over_examples(np: Any, w: Any, b: Any, X: Any) -> Any:
    J = 0
    m = X.shape[1]
    z = np.zeros((1, m))
    for i in range(m):
        for j in range(X.shape[0]):
            z[0, i] += w[j, 0] * X[j, i]
        z[0, i] += b[0, 0]
        a = 1 / (1 + np.exp(-z[0, i]))
        J += -(int(Y[0, i]) * np.log(a) + (1 - Y[0][i]) * np.log(1 - a))
    J /= m
    return J, z


def softmax(np: Any, W: Any, b: Any, X: Any) -> Any:
    labels = [0, 2, 1, 1, 0]
    Z = np.dot(W, X) + b
    Z -= np.max(Z, axis=0, keepdims=True)
    exps = np.exp(Z)
    probs = exps / np.sum(exps, axis=0)
    loss = -np.mean(np.log(probs[labels, np.arange(5)]))
    return loss + 0.1 / 10 * np.sum(np.square(W)), probs


def convolution(np: Any, A_prev: Any, W: Any, b: Any) -> Any:
    m, n_H_prev, n_W_prev, _ = A_prev.shape
    f, stride, pad = W.shape[0], 2, 1
    n_H, n_W = int((n_H_prev - f + 2 * pad) / stride) + 1, int((n_W_prev - f + 2 * pad) / stride) + 1
    Z = np.zeros([m, n_H, n_W, W.shape[3]])
    A_prev_pad = np.pad(A_prev, ((0, 0), (pad, pad), (pad, pad), (0, 0)), "constant", constant_values=(0, 0))
    for i in range(m):
        for h in range(n_H):
            for w in range(n_W):
                for c in range(W.shape[3]):
                    piece = A_prev_pad[i][h * stride : h * stride + f, w * stride : w * stride + f, :]
                    Z[i, h, w, c] = np.sum(np.multiply(piece, W[:, :, :, c])) + (FLOAT if np is NP else float)(
                        b[0, 0, 0, c]
                    )
    return Z


def pooling(np: Any, A_prev: Any) -> Any:
    A, B = np.zeros((2, 2, 2, 3)), np.empty((2, 2, 2, 3))
    for i in range(2):
        for h in range(2):
            for w in range(2):
                for c in range(3):
                    piece = A_prev[i, 2 * h : 2 * h + 2, w : w + 3, c]
                    A[i, h, w, c] = np.max(piece)
                    B[i, h, w, c] = np.mean(piece)
    return A, B


def recurrent(np: Any, Wax: Any, Waa: Any, x: Any) -> Any:
    n_a, m, T = Waa.shape[0], x.shape[1], x.shape[2]
    a = np.zeros((n_a, m, T))
    a_next, caches = np.zeros((n_a, m)), []
    for t in range(T):
        a_prev = a_next
        a_next = np.tanh(np.dot(Wax, x[:, :, t]) + np.dot(Waa, a_next))
        a[:, :, t] = a_next
        caches.append((a_next, a_prev))
    return a, caches[-1][1]


def batch_norm(np: Any, Z: Any, gamma: Any, beta: Any) -> Any:
    mu = np.mean(Z, axis=1, keepdims=True)
    var = np.var(Z, axis=1, keepdims=True)
    Z_hat = (Z - mu) / np.sqrt(var + 1e-5)
    return gamma * Z_hat + beta, Z_hat


def dropout(np: Any, W: Any, X: Any) -> Any:
    np.random.seed(1)
    A = np.maximum(0, np.dot(W, X))
    D = np.random.rand(A.shape[0], A.shape[1])
    D = (D < 0.8).astype(int)
    A = np.multiply(A, D)
    A /= 0.8
    A[A > 2] = 2 + 0.1 * (A[A > 2] - 2)
    return A


def one_hot_and_lists(np: Any, W: Any, X: Any) -> Any:
    targets = np.eye(3)[[0, 2, 1, 1, 0]].T
    losses = []
    for i in range(X.shape[1]):
        scores = [np.dot(W[k], X[:, i]) for k in range(3)]
        scores = np.array(scores)
        losses.append(np.log(np.sum(np.exp(scores))) - np.dot(targets[:, i], scores))
    return np.mean(losses), sum(losses) / len(losses)


@pytest.mark.parametrize(
    ("program", "shapes"),
    [
        (logistic, [(4, 1), (1, 1), (4, 5)]),
        (loop_over_examples, [(4, 1), (1, 1), (4, 5)]),
        (softmax, [(3, 4), (3, 1), (4, 5)]),
        (convolution, [(2, 5, 4, 3), (3, 3, 3, 2), (1, 1, 1, 2)]),
        (pooling, [(2, 4, 4, 3)]),
        (recurrent, [(3, 2), (3, 3), (2, 4, 5)]),
        (batch_norm, [(3, 5), (3, 1), (3, 1)]),
        (dropout, [(3, 4), (4, 5)]),
        (one_hot_and_lists, [(3, 4), (4, 5)]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_programs_of_the_course(program: Program, shapes: list[tuple[int, ...]]) -> None:
    agrees(program, *arrays(*shapes))


def test_a_step_of_descent_in_place() -> None:
    """A loop that overwrites its parameters: the derivative goes through all the steps."""

    def program(np: Any, W: Any, X: Any) -> Any:
        for _ in range(3):
            A = np.tanh(W @ X)
            W -= 0.1 * ((1 - A**2) * A) @ X.T
        return W

    agrees(program, *arrays((3, 4), (4, 5)))


def test_a_long_loop_of_writes_is_differentiated() -> None:
    x = trace(np.ones(1))
    Z = NP.zeros(500)
    Z[0] = x[0]
    for t in range(499):
        Z[t + 1] = Z[t] * 1.001
    gradient = torch.autograd.grad(Z[-1].tensor, x.tensor)[0]
    np.testing.assert_allclose(gradient.item(), 1.001**499, rtol=1e-10)
