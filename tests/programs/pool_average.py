"""Average pooling over overlapping windows; A_prev is (m, n_H, n_W, n_C)."""

import numpy as np


def pool_forward(A_prev, hparameters):
    m, n_H_prev, n_W_prev, n_C = A_prev.shape
    f, stride = hparameters["f"], hparameters["stride"]
    n_H = (n_H_prev - f) // stride + 1
    n_W = (n_W_prev - f) // stride + 1
    A = np.zeros((m, n_H, n_W, n_C))
    for h in range(n_H):
        for w in range(n_W):
            window = A_prev[:, h * stride : h * stride + f, w * stride : w * stride + f, :]
            A[:, h, w, :] = np.mean(window, axis=(1, 2))
    return A, (A_prev, hparameters)


def pool_backward(dA, cache):
    A_prev, hparameters = cache
    f, stride = hparameters["f"], hparameters["stride"]
    m, n_H, n_W, n_C = dA.shape
    dA_prev = np.zeros_like(A_prev)
    for h in range(n_H):
        for w in range(n_W):
            share = dA[:, h, w, :][:, None, None, :] / (f * f)
            dA_prev[:, h * stride : h * stride + f, w * stride : w * stride + f, :] += share
    return dA_prev


def inputs(seed=0):
    rng = np.random.default_rng(seed)
    n_H = int(rng.integers(5, 8))
    return {"A_prev": rng.normal(size=(2, n_H, n_H + 1, 3)), "hparameters": {"f": 3, "stride": int(rng.integers(1, 3))}}
