"""Linear regression with the squared error."""

import numpy as np


def forward(X, w, b):
    y_hat = np.dot(w.T, X) + b
    return y_hat


def compute_cost(y_hat, Y):
    m = Y.shape[1]
    cost = np.sum((y_hat - Y) ** 2) / (2 * m)
    return cost


def backward(X, Y, y_hat):
    m = Y.shape[1]
    error = y_hat - Y
    dw = np.dot(X, error.T) / m
    db = np.sum(error) / m
    return dw, db


def inputs(seed=0):
    rng = np.random.default_rng(seed)
    n, m = rng.choice(np.arange(2, 9), 2, replace=False)
    return {
        "X": rng.normal(size=(n, m)),
        "Y": 2 * rng.normal(size=(1, m)),
        "w": rng.normal(size=(n, 1)),
        "b": rng.normal(),
    }
