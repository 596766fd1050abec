"""Logistic regression with a loop over the examples and accumulators."""

import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def propagate(w, b, X, Y):
    n, m = X.shape
    J = 0
    dw = np.zeros((n, 1))
    db = 0
    dz = 0
    for i in range(m):
        z = b
        for j in range(n):
            z = z + w[j, 0] * X[j, i]
        a = sigmoid(z)
        J += -(Y[0, i] * np.log(a) + (1 - Y[0, i]) * np.log(1 - a))
        dz = a - Y[0, i]
        for j in range(n):
            dw[j, 0] += X[j, i] * dz
        db += dz
    J /= m
    dw /= m
    db /= m
    return {"dw": dw, "db": db}, J
