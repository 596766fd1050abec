"""A simple RNN read at the last step: x (n_x, m, T), one label per sequence; lists over time."""

import numpy as np


def forward_propagation(X, parameters):
    Wx, Wa, ba = parameters["Wx"], parameters["Wa"], parameters["ba"]
    Wy, by = parameters["Wy"], parameters["by"]
    n_x, m, T = X.shape
    a = [np.zeros((Wa.shape[0], m))]
    for t in range(T):
        z = Wx @ X[:, :, t] + Wa @ a[t] + ba
        a.append(np.tanh(z))
    Zy = Wy @ a[T] + by
    Ay = 1 / (1 + np.exp(-Zy))
    return Ay, {"a": a, "Ay": Ay}


def compute_cost(Ay, Y):
    m = Y.shape[1]
    return float(-np.sum(Y * np.log(Ay) + (1 - Y) * np.log(1 - Ay)) / m)


def backward_propagation(parameters, cache, X, Y):
    Wx, Wa, Wy = parameters["Wx"], parameters["Wa"], parameters["Wy"]
    a = cache["a"]
    n_x, m, T = X.shape

    dZy = cache["Ay"] - Y
    dWy = dZy @ a[T].T / m
    dby = np.sum(dZy, axis=1, keepdims=True) / m

    dWx = np.zeros_like(Wx)
    dWa = np.zeros_like(Wa)
    dba = np.zeros((Wa.shape[0], 1))
    da = Wy.T @ dZy
    for t in range(T - 1, -1, -1):
        dz = da * (1 - a[t + 1] ** 2)
        dWx += dz @ X[:, :, t].T / m
        dWa += dz @ a[t].T / m
        dba += np.sum(dz, axis=1, keepdims=True) / m
        da = Wa.T @ dz

    return {"dWx": dWx, "dWa": dWa, "dba": dba, "dWy": dWy, "dby": dby}


def inputs(seed=0):
    rng = np.random.default_rng(seed)
    n_x, n_a, m, T = rng.choice(np.arange(3, 8), 4, replace=False)
    parameters = {
        "Wx": 0.7 * rng.normal(size=(n_a, n_x)),
        "Wa": 0.7 * rng.normal(size=(n_a, n_a)),
        "ba": 0.7 * rng.normal(size=(n_a, 1)),
        "Wy": rng.normal(size=(1, n_a)),
        "by": rng.normal(size=(1, 1)),
    }
    X = rng.normal(size=(n_x, m, T))
    return {"X": X, "parameters": parameters, "Y": rng.integers(2, size=(1, m)).astype(float)}
