"""One hidden layer with ReLU; tuples for the cache, @ for the products."""

import numpy as np


def initialize_parameters(n_x, n_h, n_y):
    parameters = {}
    for l, (rows, columns) in enumerate([(n_h, n_x), (n_y, n_h)], start=1):
        parameters[f"W{l}"] = np.random.randn(rows, columns) * np.sqrt(2 / columns)
        parameters[f"b{l}"] = np.zeros((rows, 1))
    return parameters


def forward_propagation(X, parameters):
    W1, b1, W2, b2 = (parameters[name] for name in ("W1", "b1", "W2", "b2"))
    Z1 = W1 @ X + b1
    A1 = np.maximum(0, Z1)
    Z2 = W2 @ A1 + b2
    A2 = 1 / (1 + np.exp(-Z2))
    return A2, (Z1, A1, Z2, A2)


def compute_cost(A2, Y):
    m = Y.shape[1]
    cost = -(1 / m) * (Y @ np.log(A2).T + (1 - Y) @ np.log(1 - A2).T)
    return np.squeeze(cost)


def backward_propagation(parameters, cache, X, Y):
    m = X.shape[1]
    W1, W2 = parameters["W1"], parameters["W2"]
    Z1, A1, Z2, A2 = cache

    dA2 = -(Y / A2) + (1 - Y) / (1 - A2)
    dZ2 = dA2 * A2 * (1 - A2)
    dW2 = dZ2 @ A1.T / m
    db2 = dZ2.sum(axis=1, keepdims=True) / m
    dA1 = W2.T @ dZ2
    dZ1 = dA1 * (Z1 > 0)
    dW1 = dZ1 @ X.T / m
    db1 = dZ1.sum(axis=1, keepdims=True) / m

    return {"dW1": dW1, "db1": db1, "dW2": dW2, "db2": db2}
