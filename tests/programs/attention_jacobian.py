"""Attention of queries Q (T, d) to keys K (S, d) and values V (S, d_v), with the softmax's Jacobian row by row."""

import numpy as np


def attention_forward(Q, K, V):
    T, d = Q.shape
    scores = np.dot(Q, K.T) / np.sqrt(d)
    P = np.zeros(scores.shape)
    for t in range(T):
        exp = np.exp(scores[t] - np.max(scores[t]))
        P[t] = exp / np.sum(exp)
    out = np.dot(P, V)
    cache = {"Q": Q, "K": K, "V": V, "P": P}
    return out, cache


def attention_backward(dout, cache):
    Q, K, V, P = cache["Q"], cache["K"], cache["V"], cache["P"]
    T, d = Q.shape
    dV = np.dot(P.T, dout)
    dP = np.dot(dout, V.T)
    dscores = np.zeros_like(P)
    for t in range(T):
        p = P[t].reshape(-1, 1)
        jacobian = np.diagflat(p) - np.dot(p, p.T)
        dscores[t] = np.dot(jacobian, dP[t])
    dQ = np.dot(dscores, K) / np.sqrt(d)
    dK = np.dot(dscores.T, Q) / np.sqrt(d)
    return {"dQ": dQ, "dK": dK, "dV": dV}


def inputs(seed=0):
    rng = np.random.default_rng(seed)
    T, S, d, d_v = rng.choice(np.arange(3, 9), 4, replace=False)
    return {"Q": rng.normal(size=(T, d)), "K": rng.normal(size=(S, d)), "V": rng.normal(size=(S, d_v))}
