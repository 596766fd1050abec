"""Logistic regression, every step of the graph by its name."""

import numpy as np


def sigmoid(Z):
    return 1.0 / (1.0 + np.exp(-Z))


def propagate(w, b, X, Y):
    m = X.shape[1]
    Z = np.dot(w.T, X) + b
    A = sigmoid(Z)
    losses = -(np.multiply(Y, np.log(A)) + np.multiply(1 - Y, np.log(1 - A)))
    cost = float(np.sum(losses) / m)

    dA = -(Y / A - (1 - Y) / (1 - A))
    dZ = dA * A * (1 - A)
    dw = X.dot(dZ.T) / m
    db = np.sum(dZ) / m

    return {"dw": dw, "db": db}, cost
