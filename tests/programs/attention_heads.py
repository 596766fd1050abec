"""Multi-head self-attention of one sentence X (T, D), head after head; every head has weights (D, d) of its own."""

import numpy as np


def softmax(S):
    e = np.exp(S - np.max(S, axis=1, keepdims=True))
    return e / np.sum(e, axis=1, keepdims=True)


def multi_head_forward(X, parameters):
    Wq, Wk, Wv, Wo = parameters["Wq"], parameters["Wk"], parameters["Wv"], parameters["Wo"]
    heads, caches = [], []
    for h in range(len(Wq)):
        q, k, v = X @ Wq[h], X @ Wk[h], X @ Wv[h]
        s = q @ k.T / np.sqrt(q.shape[1])
        p = softmax(s)
        z = p @ v
        heads.append(z)
        caches.append((q, k, v, p))
    concat = np.concatenate(heads, axis=1)
    out = concat @ Wo
    return out, (X, parameters, caches, concat)


def multi_head_backward(dout, cache):
    X, parameters, caches, concat = cache
    Wq, Wk, Wv, Wo = parameters["Wq"], parameters["Wk"], parameters["Wv"], parameters["Wo"]
    dX = np.zeros_like(X)
    dWq, dWk, dWv = np.zeros_like(Wq), np.zeros_like(Wk), np.zeros_like(Wv)
    dWo = concat.T @ dout
    dconcat = dout @ Wo.T
    for h in range(len(caches)):
        q, k, v, p = caches[h]
        d, d_v = q.shape[1], v.shape[1]
        dz = dconcat[:, h * d_v : (h + 1) * d_v]
        dv = p.T @ dz
        dp = dz @ v.T
        ds = p * (dp - np.sum(dp * p, axis=1, keepdims=True))
        dq = ds @ k / np.sqrt(d)
        dk = ds.T @ q / np.sqrt(d)
        dWq[h] = X.T @ dq
        dWk[h] = X.T @ dk
        dWv[h] = X.T @ dv
        dX += dq @ Wq[h].T + dk @ Wk[h].T + dv @ Wv[h].T
    return {"dX": dX, "dWq": dWq, "dWk": dWk, "dWv": dWv, "dWo": dWo}


def inputs(seed=0):
    rng = np.random.default_rng(seed)
    H, T, D, d, d_v, n = (2, *rng.choice(np.arange(3, 9), 5, replace=False))
    parameters = {
        "Wq": rng.normal(size=(H, D, d)) / np.sqrt(D),
        "Wk": rng.normal(size=(H, D, d)) / np.sqrt(D),
        "Wv": rng.normal(size=(H, D, d_v)) / np.sqrt(D),
        "Wo": rng.normal(size=(H * d_v, n)) / np.sqrt(H * d_v),
    }
    return {"X": rng.normal(size=(T, D)), "parameters": parameters}
