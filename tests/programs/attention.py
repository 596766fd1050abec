"""Causal self-attention over a batch of sentences X (N, T, D) with einsum, and the squared error; gradients of J."""

import numpy as np


def forward(X, parameters):
    Wq, Wk, Wv, Wo = parameters["Wq"], parameters["Wk"], parameters["Wv"], parameters["Wo"]
    T = X.shape[1]
    Q = np.einsum("ntd,de->nte", X, Wq)
    K = np.einsum("ntd,de->nte", X, Wk)
    V = np.einsum("ntd,de->nte", X, Wv)
    scores = np.einsum("nqe,nke->nqk", Q, K) / np.sqrt(Q.shape[-1])
    hidden = np.triu(np.ones((T, T)), k=1).astype(bool)
    masked = np.where(hidden, -1e9, scores)
    e = np.exp(masked - masked.max(axis=-1, keepdims=True))
    A = e / e.sum(axis=-1, keepdims=True)
    H = np.einsum("nqk,nke->nqe", A, V)
    out = np.einsum("nte,ed->ntd", H, Wo)
    cache = (X, Q, K, V, A, H, hidden)
    return out, cache


def compute_cost(out, Y):
    return np.sum(np.square(out - Y)) / (2 * Y.shape[0])


def backward(out, Y, parameters, cache):
    X, Q, K, V, A, H, hidden = cache
    Wq, Wk, Wv, Wo = parameters["Wq"], parameters["Wk"], parameters["Wv"], parameters["Wo"]
    d = Q.shape[-1]
    dout = (out - Y) / Y.shape[0]
    dWo = np.einsum("nte,ntd->ed", H, dout)
    dH = np.einsum("ntd,ed->nte", dout, Wo)
    dV = np.einsum("nqk,nqe->nke", A, dH)
    dA = np.einsum("nqe,nke->nqk", dH, V)
    dmasked = A * (dA - np.sum(dA * A, axis=-1, keepdims=True))
    dscores = np.where(hidden, 0, dmasked)
    dQ = np.einsum("nqk,nke->nqe", dscores, K) / np.sqrt(d)
    dK = np.einsum("nqk,nqe->nke", dscores, Q) / np.sqrt(d)
    dWq = np.einsum("ntd,nte->de", X, dQ)
    dWk = np.einsum("ntd,nte->de", X, dK)
    dWv = np.einsum("ntd,nte->de", X, dV)
    dX = dQ @ Wq.T + dK @ Wk.T + dV @ Wv.T
    return {"dX": dX, "dWq": dWq, "dWk": dWk, "dWv": dWv, "dWo": dWo}


def inputs(seed=0):
    rng = np.random.default_rng(seed)
    N, T, D, d, d_v, n = rng.choice(np.arange(2, 9), 6, replace=False)
    T = max(T, 3)
    parameters = {
        "Wq": rng.normal(size=(D, d)) / np.sqrt(D),
        "Wk": rng.normal(size=(D, d)) / np.sqrt(D),
        "Wv": rng.normal(size=(D, d_v)) / np.sqrt(D),
        "Wo": rng.normal(size=(d_v, n)) / np.sqrt(d_v),
    }
    return {"X": rng.normal(size=(N, T, D)), "Y": rng.normal(size=(N, T, n)), "parameters": parameters}
