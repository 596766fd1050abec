"""Batch normalisation alone, backward in stages; the examples are rows."""

import numpy as np


def batchnorm_forward(x, gamma, beta, eps=1e-5):
    mu = x.mean(axis=0)
    xc = x - mu
    var = np.mean(xc**2, axis=0)
    std = np.sqrt(var + eps)
    xhat = xc / std
    out = gamma * xhat + beta
    cache = (xhat, xc, std, gamma)
    return out, cache


def batchnorm_backward(dout, cache):
    xhat, xc, std, gamma = cache
    N = dout.shape[0]

    dbeta = dout.sum(axis=0)
    dgamma = np.sum(dout * xhat, axis=0)
    dxhat = dout * gamma
    dstd = np.sum(dxhat * xc, axis=0) * -1 / std**2
    dvar = dstd * 0.5 / std
    dxc = dxhat / std + 2 * xc * dvar / N
    dmu = -np.sum(dxc, axis=0)
    dx = dxc + dmu / N

    return dx, dgamma, dbeta


def inputs(seed=0):
    rng = np.random.default_rng(seed)
    N, D = rng.choice(np.arange(4, 12), 2, replace=False)
    return {
        "x": 2 + 3 * rng.normal(size=(N, D)),
        "gamma": rng.normal(size=D),
        "beta": rng.normal(size=D),
    }
