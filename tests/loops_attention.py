"""Attention one number at a time, forward and backward: slow, and nothing in it is a product of matrices."""

import math

import numpy as np

Array = np.ndarray


def attention(A_prev: Array, heads: int, visible: Array) -> tuple[Array, Array]:
    """A (n, T, m), and P (heads, T, T, m), from A_prev = [Q; K; V] (3n, T, m); visible[t, s, i]: may t look at s?"""
    rows, T, m = A_prev.shape
    n = rows // 3
    d = n // heads
    A, P = np.zeros((n, T, m)), np.zeros((heads, T, T, m))
    for i in range(m):
        for h in range(heads):
            for t in range(T):
                seen = [s for s in range(T) if visible[t, s, i]]
                q = [A_prev[h * d + j, t, i] for j in range(d)]
                scores = {s: sum(q[j] * A_prev[n + h * d + j, s, i] for j in range(d)) / math.sqrt(d) for s in seen}
                largest = max(scores.values(), default=0.0)
                total = sum(math.exp(score - largest) for score in scores.values())
                for s in seen:
                    P[h, t, s, i] = math.exp(scores[s] - largest) / total
                for j in range(d):
                    A[h * d + j, t, i] = sum(P[h, t, s, i] * A_prev[2 * n + h * d + j, s, i] for s in seen)
    return A, P


def attention_backward(A_prev: Array, dA: Array, P: Array) -> Array:
    """dA_prev = [dQ; dK; dV], through every entry of the softmax's Jacobian."""
    heads, T, _, m = P.shape
    n = len(dA)
    d = n // heads
    dA_prev = np.zeros_like(A_prev)
    for i in range(m):
        for h in range(heads):
            q, k, v = (part * n + h * d for part in range(3))  # the first row of this head's Q, K and V
            o = h * d
            for t in range(T):
                dp = [sum(dA[o + j, t, i] * A_prev[v + j, s, i] for j in range(d)) for s in range(T)]
                for s in range(T):
                    ds = 0.0
                    for r in range(T):
                        ds += dp[r] * P[h, t, r, i] * ((1.0 if r == s else 0.0) - P[h, t, s, i])
                    for j in range(d):
                        dA_prev[q + j, t, i] += ds * A_prev[k + j, s, i] / math.sqrt(d)
                        dA_prev[k + j, s, i] += ds * A_prev[q + j, t, i] / math.sqrt(d)
                        dA_prev[v + j, s, i] += P[h, t, s, i] * dA[o + j, t, i]
    return dA_prev


def linear(W: Array, b: Array, A_prev: Array) -> Array:
    """W A_prev + b at every step of every example."""
    n, (_, T, m) = len(W), A_prev.shape
    Z = np.zeros((n, T, m))
    for i in range(m):
        for t in range(T):
            for j in range(n):
                Z[j, t, i] = b[j, 0] + sum(W[j, k] * A_prev[k, t, i] for k in range(len(A_prev)))
    return Z


def linear_backward(W: Array, A_prev: Array, dZ: Array) -> tuple[Array, Array, Array]:
    """dA_prev, dW and db, the last two averaged over the examples, with an accumulator for each number."""
    n, T, m = dZ.shape
    dA_prev, dW, db = np.zeros_like(A_prev), np.zeros_like(W), np.zeros((n, 1))
    for i in range(m):
        for t in range(T):
            for j in range(n):
                db[j, 0] += dZ[j, t, i] / m
                for k in range(len(A_prev)):
                    dW[j, k] += dZ[j, t, i] * A_prev[k, t, i] / m
                    dA_prev[k, t, i] += W[j, k] * dZ[j, t, i]
    return dA_prev, dW, db


def multi_head(parameters: dict[str, Array], A_prev: Array, heads: int, visible: Array, dA: Array) -> dict[str, Array]:
    """A, dA_prev, and the parameters' gradients by their own names."""
    Z = linear(parameters["Wqkv"], parameters["bqkv"], A_prev)
    output, P = attention(Z, heads, visible)
    A = linear(parameters["Wo"], parameters["bo"], output)
    d_output, dWo, dbo = linear_backward(parameters["Wo"], output, dA)
    dZ = attention_backward(Z, d_output, P)
    dA_prev, dWqkv, dbqkv = linear_backward(parameters["Wqkv"], A_prev, dZ)
    return {"A": A, "dA_prev": dA_prev, "Wqkv": dWqkv, "bqkv": dbqkv, "Wo": dWo, "bo": dbo}
