"""A softmax layer whose derivative is written out: dA first, then the Jacobian diag(a) - a a^T of every example."""

import numpy as np


def softmax(Z):
    e = np.exp(Z - Z.max(axis=0))
    return e / e.sum(axis=0)


def forward(X, W, b):
    Z = np.dot(W, X) + b
    A = softmax(Z)
    return A, (X, W, Z, A)


def compute_cost(A, Y):
    return -np.sum(Y * np.log(A)) / Y.shape[1]


def backward(Y, cache):
    X, W, Z, A = cache
    m = Y.shape[1]
    dA = -Y / A
    dZ = np.zeros_like(Z)
    for i in range(m):
        a = A[:, i : i + 1]
        jacobian = np.diagflat(a) - np.dot(a, a.T)
        dZ[:, i : i + 1] = np.dot(jacobian.T, dA[:, i : i + 1])
    dW = np.dot(dZ, X.T) / m
    db = np.sum(dZ, axis=1, keepdims=True) / m
    return {"dW": dW, "db": db}


def inputs(seed=0):
    rng = np.random.default_rng(seed)
    n_x, n_y, m = rng.choice(np.arange(3, 9), 3, replace=False)
    return {
        "X": rng.normal(size=(n_x, m)),
        "Y": np.eye(n_y)[:, rng.integers(n_y, size=m)],
        "W": rng.normal(size=(n_y, n_x)),
        "b": rng.normal(size=(n_y, 1)),
    }
