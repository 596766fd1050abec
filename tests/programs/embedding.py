"""Words looked up in an embedding and averaged; a word may come more than once in a sentence."""

import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def forward(E, W, b, words):
    vectors = E[:, words]
    H = vectors.mean(axis=2)
    Z = W @ H + b
    A = sigmoid(Z)
    cache = (E, W, words, H, A)
    return A, cache


def compute_cost(A, Y):
    m = Y.shape[1]
    return np.sum(-Y * np.log(A) - (1 - Y) * np.log(1 - A)) / m


def backward(Y, cache):
    E, W, words, H, A = cache
    m, T = words.shape
    dZ = A - Y
    dW = dZ @ H.T / m
    db = np.sum(dZ, axis=1, keepdims=True) / m
    dH = W.T @ dZ
    dE = np.zeros_like(E)
    for t in range(T):
        np.add.at(dE.T, words[:, t], dH.T / (T * m))
    return {"dE": dE, "dW": dW, "db": db}


def inputs(seed=0):
    rng = np.random.default_rng(seed)
    n, V, m, T = rng.choice(np.arange(3, 8), 4, replace=False)
    words = rng.integers(V, size=(m, T))
    words[1] = words[0]
    return {
        "E": rng.normal(size=(n, V)),
        "W": rng.normal(size=(1, n)),
        "b": rng.normal(size=(1, 1)),
        "words": words,
        "Y": rng.integers(2, size=(1, m)).astype(float),
    }
