"""Attention example by example, row by row, with the Jacobian of each row."""

import numpy as np


def attention_forward(Q, K, V, mask=None):
    N, T, d = Q.shape
    A = np.zeros((N, T, T))
    out = np.zeros((N, T, V.shape[2]))
    for n in range(N):
        scores = Q[n] @ K[n].T / np.sqrt(d)
        if mask is not None:
            scores = scores + (1 - mask) * -1e9
        for t in range(T):
            e = np.exp(scores[t] - np.max(scores[t]))
            A[n, t] = e / np.sum(e)
        out[n] = A[n] @ V[n]
    cache = (Q, K, V, A, mask)
    return out, cache


def attention_backward(dout, cache):
    Q, K, V, A, mask = cache
    N, T, d = Q.shape
    dQ = np.zeros_like(Q)
    dK = np.zeros_like(K)
    dV = np.zeros_like(V)
    for n in range(N):
        dA = dout[n] @ V[n].T
        dV[n] = A[n].T @ dout[n]
        dS = np.zeros((T, T))
        for t in range(T):
            a = A[n, t]
            J = np.diag(a) - np.outer(a, a)
            dS[t] = J @ dA[t]
        dQ[n] = dS @ K[n] / np.sqrt(d)
        dK[n] = dS.T @ Q[n] / np.sqrt(d)
    return dQ, dK, dV
