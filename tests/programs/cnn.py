"""CONV -> RELU -> MAXPOOL -> flatten -> dense -> sigmoid with loops; X is (m, n_H, n_W), Y is (1, m)."""

import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def forward_propagation(X, parameters):
    K, c, W, b = parameters["K"], parameters["c"], parameters["W"], parameters["b"]
    m, n_H, n_W = X.shape
    n_F, f, _ = K.shape
    Z1 = np.zeros((m, n_F, n_H - f + 1, n_W - f + 1))
    for i in range(m):
        for k in range(n_F):
            for h in range(n_H - f + 1):
                for w in range(n_W - f + 1):
                    Z1[i, k, h, w] = np.sum(X[i, h : h + f, w : w + f] * K[k]) + c[k]
    A1 = np.maximum(0, Z1)
    P = np.zeros((m, n_F, Z1.shape[2] // 2, Z1.shape[3] // 2))
    for h in range(P.shape[2]):
        for w in range(P.shape[3]):
            P[:, :, h, w] = A1[:, :, 2 * h : 2 * h + 2, 2 * w : 2 * w + 2].max(axis=(2, 3))
    F = P.reshape(m, -1).T
    Z2 = W @ F + b
    A2 = sigmoid(Z2)
    cache = (Z1, A1, P, F, Z2, A2)
    return A2, cache


def compute_cost(A2, Y):
    m = Y.shape[1]
    return -np.sum(Y * np.log(A2) + (1 - Y) * np.log(1 - A2)) / m


def backward_propagation(parameters, cache, X, Y):
    K, W = parameters["K"], parameters["W"]
    Z1, A1, P, F, Z2, A2 = cache
    m = X.shape[0]
    n_F, f, _ = K.shape

    dZ2 = A2 - Y
    dW = dZ2 @ F.T / m
    db = np.sum(dZ2, axis=1, keepdims=True) / m
    dF = W.T @ dZ2
    dP = dF.T.reshape(P.shape)
    dA1 = np.zeros_like(A1)
    for i in range(m):
        for k in range(n_F):
            for h in range(P.shape[2]):
                for w in range(P.shape[3]):
                    window = A1[i, k, 2 * h : 2 * h + 2, 2 * w : 2 * w + 2]
                    row, column = np.unravel_index(np.argmax(window), window.shape)
                    dA1[i, k, 2 * h + row, 2 * w + column] += dP[i, k, h, w]
    dZ1 = dA1 * (Z1 > 0)
    dK = np.zeros_like(K)
    dc = np.zeros(n_F)
    for i in range(m):
        for k in range(n_F):
            for h in range(Z1.shape[2]):
                for w in range(Z1.shape[3]):
                    dK[k] += X[i, h : h + f, w : w + f] * dZ1[i, k, h, w] / m
                    dc[k] += dZ1[i, k, h, w] / m

    return {"dK": dK, "dc": dc, "dW": dW, "db": db}


def inputs(seed=0):
    rng = np.random.default_rng(seed)
    m = 3
    n_F = int(rng.integers(2, 4))
    n_H, n_W = 7, 5 + 2 * int(rng.integers(0, 2))
    n = n_F * ((n_H - 2) // 2) * ((n_W - 2) // 2)
    parameters = {
        "K": rng.normal(size=(n_F, 3, 3)),
        "c": rng.normal(size=n_F) + np.linspace(-5, 1, n_F),
        "W": rng.normal(size=(1, n)) / np.sqrt(n),
        "b": rng.normal(size=(1, 1)),
    }
    Y = rng.integers(2, size=(1, m)).astype(float)
    return {"X": rng.normal(size=(m, n_H, n_W)), "parameters": parameters, "Y": Y}
