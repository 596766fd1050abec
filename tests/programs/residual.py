"""A residual block: A1 is used twice, by the layer above it and by the sum."""

import numpy as np


def sigmoid(Z):
    return 1 / (1 + np.exp(-Z))


def forward_propagation(X, parameters):
    W1, b1 = parameters["W1"], parameters["b1"]
    W2, b2 = parameters["W2"], parameters["b2"]
    W3, b3 = parameters["W3"], parameters["b3"]
    Z1 = W1 @ X + b1
    A1 = np.tanh(Z1)
    Z2 = W2 @ A1 + b2
    A2 = np.tanh(Z2)
    S = A2 + A1
    Z3 = W3 @ S + b3
    A3 = sigmoid(Z3)
    return A3, (Z1, A1, Z2, A2, S, Z3, A3)


def compute_cost(A3, Y):
    m = Y.shape[1]
    return -(np.sum(Y * np.log(A3)) + np.sum((1 - Y) * np.log(1 - A3))) / m


def backward_propagation(parameters, cache, X, Y):
    m = X.shape[1]
    W2, W3 = parameters["W2"], parameters["W3"]
    Z1, A1, Z2, A2, S, Z3, A3 = cache

    dZ3 = A3 - Y
    dW3 = dZ3 @ S.T / m
    db3 = np.sum(dZ3, axis=1, keepdims=True) / m
    dS = W3.T @ dZ3
    dA2 = dS
    dZ2 = dA2 * (1 - A2**2)
    dW2 = dZ2 @ A1.T / m
    db2 = np.sum(dZ2, axis=1, keepdims=True) / m
    dA1 = dS.copy()
    dA1 += W2.T @ dZ2
    dZ1 = dA1 * (1 - A1**2)
    dW1 = dZ1 @ X.T / m
    db1 = np.sum(dZ1, axis=1, keepdims=True) / m

    return {"dW1": dW1, "db1": db1, "dW2": dW2, "db2": db2, "dW3": dW3, "db3": db3}


def inputs(seed=0):
    rng = np.random.default_rng(seed)
    n_x, n, m = rng.choice(np.arange(3, 9), 3, replace=False)
    parameters = {
        "W1": rng.normal(size=(n, n_x)),
        "b1": rng.normal(size=(n, 1)),
        "W2": rng.normal(size=(n, n)),
        "b2": rng.normal(size=(n, 1)),
        "W3": rng.normal(size=(1, n)),
        "b3": rng.normal(size=(1, 1)),
    }
    return {"X": rng.normal(size=(n_x, m)), "parameters": parameters, "Y": rng.integers(2, size=(1, m)).astype(float)}
