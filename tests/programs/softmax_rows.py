"""A two-layer softmax classifier with the examples as rows and integer labels y."""

import numpy as np


def forward(X, W1, b1, W2, b2):
    h_pre = X.dot(W1) + b1
    h = np.maximum(0, h_pre)
    scores = h.dot(W2) + b2
    return scores, (X, W1, W2, h_pre, h)


def compute_loss(scores, y):
    N = scores.shape[0]
    shifted = scores - scores.max(axis=1, keepdims=True)
    log_probs = shifted - np.log(np.sum(np.exp(shifted), axis=1, keepdims=True))
    loss = -np.sum(log_probs[np.arange(N), y]) / N
    return loss


def backward(scores, y, cache):
    X, W1, W2, h_pre, h = cache
    N = X.shape[0]
    exp_scores = np.exp(scores - scores.max(axis=1, keepdims=True))
    probs = exp_scores / exp_scores.sum(axis=1, keepdims=True)

    dscores = probs.copy()
    dscores[np.arange(N), y] -= 1
    dscores /= N

    grads = {}
    grads["W2"] = h.T.dot(dscores)
    grads["b2"] = np.sum(dscores, axis=0)
    dh = dscores.dot(W2.T)
    dh_pre = dh * (h_pre > 0)
    grads["W1"] = X.T.dot(dh_pre)
    grads["b1"] = np.sum(dh_pre, axis=0)
    return grads


def inputs(seed=0):
    rng = np.random.default_rng(seed)
    D, H, C, N = rng.choice(np.arange(3, 10), 4, replace=False)
    return {
        "X": rng.normal(size=(N, D)),
        "y": rng.integers(C, size=N),
        "W1": rng.normal(size=(D, H)),
        "b1": rng.normal(size=H),
        "W2": rng.normal(size=(H, C)),
        "b2": rng.normal(size=C),
    }
