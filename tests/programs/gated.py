"""One step of a gated unit, c = g * c_tilde + (1 - g) * c_prev, read by a linear output with the squared error."""

import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def forward(x, c_prev, Wg, bg, Wc, bc, v):
    Zg = Wg @ x + bg
    G = sigmoid(Zg)
    Zc = Wc @ x + bc
    C_tilde = np.tanh(Zc)
    C = G * C_tilde + (1 - G) * c_prev
    y_hat = v @ C
    cache = (x, c_prev, G, C_tilde, C, v)
    return y_hat, cache


def compute_cost(y_hat, y):
    m = y.shape[1]
    return 1 / (2 * m) * np.sum(np.square(y_hat - y))


def backward(y_hat, y, cache):
    x, c_prev, G, C_tilde, C, v = cache
    m = y.shape[1]
    dy_hat = y_hat - y
    dv = dy_hat @ C.T / m
    dC = v.T @ dy_hat
    dC_tilde = dC * G
    dG = dC * (C_tilde - c_prev)
    dZc = dC_tilde * (1 - C_tilde**2)
    dZg = dG * G * (1 - G)
    dWc = dZc @ x.T / m
    dbc = np.sum(dZc, axis=1, keepdims=True) / m
    dWg = dZg @ x.T / m
    dbg = np.sum(dZg, axis=1, keepdims=True) / m
    return {"dv": dv, "dWc": dWc, "dbc": dbc, "dWg": dWg, "dbg": dbg}


def inputs(seed=0):
    rng = np.random.default_rng(seed)
    n_x, n_c, m = rng.choice(np.arange(3, 9), 3, replace=False)
    return {
        "x": rng.normal(size=(n_x, m)),
        "c_prev": rng.normal(size=(n_c, m)),
        "Wg": rng.normal(size=(n_c, n_x)),
        "bg": rng.normal(size=(n_c, 1)),
        "Wc": rng.normal(size=(n_c, n_x)),
        "bc": rng.normal(size=(n_c, 1)),
        "v": rng.normal(size=(1, n_c)),
        "y": rng.normal(size=(1, m)),
    }
