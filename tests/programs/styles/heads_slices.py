"""Heads in a loop, each a slice of the columns of Q, K and V."""

import numpy as np


def softmax(z):
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def multi_head_forward(X, Wq, Wk, Wv, Wo, n_heads=2):
    N, T, D = X.shape
    d = D // n_heads
    Q, K, V = X @ Wq, X @ Wk, X @ Wv
    concat = np.zeros((N, T, D))
    attn = []
    for h in range(n_heads):
        s = slice(h * d, (h + 1) * d)
        q, k, v = Q[:, :, s], K[:, :, s], V[:, :, s]
        a = softmax(q @ k.swapaxes(-1, -2) / np.sqrt(d))
        concat[:, :, s] = a @ v
        attn.append(a)
    out = concat @ Wo
    cache = (X, Q, K, V, Wq, Wk, Wv, Wo, attn, concat, n_heads)
    return out, cache


def multi_head_backward(dout, cache):
    X, Q, K, V, Wq, Wk, Wv, Wo, attn, concat, n_heads = cache
    N, T, D = X.shape
    d = D // n_heads
    dWo = concat.reshape(-1, D).T @ dout.reshape(-1, D)
    dconcat = dout @ Wo.T
    dQ, dK, dV = np.zeros_like(Q), np.zeros_like(K), np.zeros_like(V)
    for h in range(n_heads):
        s = slice(h * d, (h + 1) * d)
        a = attn[h]
        do = dconcat[:, :, s]
        dV[:, :, s] = a.swapaxes(-1, -2) @ do
        da = do @ V[:, :, s].swapaxes(-1, -2)
        ds = a * (da - (da * a).sum(axis=-1, keepdims=True)) / np.sqrt(d)
        dQ[:, :, s] = ds @ K[:, :, s]
        dK[:, :, s] = ds.swapaxes(-1, -2) @ Q[:, :, s]
    X2 = X.reshape(-1, D)
    dWq = X2.T @ dQ.reshape(-1, D)
    dWk = X2.T @ dK.reshape(-1, D)
    dWv = X2.T @ dV.reshape(-1, D)
    dX = dQ @ Wq.T + dK @ Wk.T + dV @ Wv.T
    return dX, dWq, dWk, dWv, dWo
