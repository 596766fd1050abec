"""Attention in loops that fill Q, K, V and P on the way and use each part at once."""

import numpy as np


def forward_propagation(X, parameters):
    Wq, Wk, Wv, Wo = parameters["Wq"], parameters["Wk"], parameters["Wv"], parameters["Wo"]
    n, T, m = X.shape
    d = Wq.shape[0]
    A = np.zeros((d, T, m))
    P = np.zeros((T, T, m))
    Q = np.zeros((d, T, m))
    K = np.zeros((d, T, m))
    V = np.zeros((d, T, m))
    for i in range(m):
        Q[:, :, i] = np.dot(Wq, X[:, :, i])
        K[:, :, i] = np.dot(Wk, X[:, :, i])
        V[:, :, i] = np.dot(Wv, X[:, :, i])
        for t in range(T):
            s = np.zeros(T)
            for r in range(T):
                s[r] = np.dot(Q[:, t, i], K[:, r, i]) / np.sqrt(d)
            e = np.exp(s - np.max(s))
            P[t, :, i] = e / np.sum(e)
            for r in range(T):
                A[:, t, i] += P[t, r, i] * V[:, r, i]
    Z = np.einsum("ij,jtm->itm", Wo, A)
    return Z, (Q, K, V, P, A, Z)


def compute_cost(Z, Y):
    m = Y.shape[2]
    return np.sum((Z - Y) ** 2) / (2 * m)


def backward_propagation(parameters, cache, X, Y):
    Wq, Wk, Wv, Wo = parameters["Wq"], parameters["Wk"], parameters["Wv"], parameters["Wo"]
    Q, K, V, P, A, Z = cache
    d, T, m = Q.shape
    dZ = Z - Y
    dWo = np.einsum("itm,jtm->ij", dZ, A) / m
    dA = np.einsum("ij,itm->jtm", Wo, dZ)
    dQ = np.zeros(Q.shape)
    dK = np.zeros(K.shape)
    dV = np.zeros(V.shape)
    for i in range(m):
        for t in range(T):
            dP = np.zeros(T)
            for r in range(T):
                dP[r] = np.dot(dA[:, t, i], V[:, r, i])
                dV[:, r, i] += P[t, r, i] * dA[:, t, i]
            dS = P[t, :, i] * (dP - np.sum(dP * P[t, :, i]))
            for r in range(T):
                dQ[:, t, i] += dS[r] * K[:, r, i] / np.sqrt(d)
                dK[:, r, i] += dS[r] * Q[:, t, i] / np.sqrt(d)
    dWq = np.einsum("itm,jtm->ij", dQ, X) / m
    dWk = np.einsum("itm,jtm->ij", dK, X) / m
    dWv = np.einsum("itm,jtm->ij", dV, X) / m
    return {"dWo": dWo, "dWq": dWq, "dWk": dWk, "dWv": dWv}


def inputs():
    rng = np.random.default_rng(0)
    P = {k: rng.standard_normal(s) for k, s in (("Wq", (2, 3)), ("Wk", (2, 3)), ("Wv", (2, 3)), ("Wo", (3, 2)))}
    return {"X": rng.standard_normal((3, 4, 5)), "parameters": P, "Y": rng.standard_normal((3, 4, 5))}
