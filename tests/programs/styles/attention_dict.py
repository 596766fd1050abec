"""Attention of one sentence, with the Jacobian of each row, and a dictionary for a cache."""

import numpy as np


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def attention_forward(X, Wq, Wk, Wv):
    Q = X @ Wq
    K = X @ Wk
    V = X @ Wv
    scores = Q @ K.T / np.sqrt(K.shape[1])
    weights = softmax(scores)
    output = weights @ V
    cache = {"X": X, "Wq": Wq, "Wk": Wk, "Wv": Wv, "Q": Q, "K": K, "V": V, "weights": weights}
    return output, cache


def attention_backward(doutput, cache):
    X, Wq, Wk, Wv = cache["X"], cache["Wq"], cache["Wk"], cache["Wv"]
    Q, K, V, weights = cache["Q"], cache["K"], cache["V"], cache["weights"]
    d = K.shape[1]
    dV = weights.T @ doutput
    dweights = doutput @ V.T
    dscores = np.zeros_like(weights)
    for i in range(weights.shape[0]):
        w = weights[i].reshape(-1, 1)
        jacobian = np.diagflat(w) - w @ w.T
        dscores[i] = jacobian @ dweights[i]
    dQ = dscores @ K / np.sqrt(d)
    dK = dscores.T @ Q / np.sqrt(d)
    dWq = X.T @ dQ
    dWk = X.T @ dK
    dWv = X.T @ dV
    dX = dQ @ Wq.T + dK @ Wk.T + dV @ Wv.T
    return {"dX": dX, "dWq": dWq, "dWk": dWk, "dWv": dWv}
