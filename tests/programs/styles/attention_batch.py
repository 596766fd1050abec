"""Attention of a batch, from Q, K and V."""

import numpy as np


def softmax(x):
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def attention_forward(Q, K, V):
    d_k = Q.shape[-1]
    S = np.matmul(Q, K.transpose(0, 2, 1)) / np.sqrt(d_k)
    P = softmax(S)
    O = np.matmul(P, V)
    cache = (Q, K, V, P)
    return O, cache


def attention_backward(dO, cache):
    Q, K, V, P = cache
    d_k = Q.shape[-1]
    dV = np.matmul(P.transpose(0, 2, 1), dO)
    dP = np.matmul(dO, V.transpose(0, 2, 1))
    dS = P * (dP - np.sum(dP * P, axis=-1, keepdims=True))
    dQ = np.matmul(dS, K) / np.sqrt(d_k)
    dK = np.matmul(dS.transpose(0, 2, 1), Q) / np.sqrt(d_k)
    return dQ, dK, dV
