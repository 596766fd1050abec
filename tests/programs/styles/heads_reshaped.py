"""Causal attention with all heads at once, by reshaping."""

import numpy as np


def softmax(x, axis=-1):
    x = x - x.max(axis=axis, keepdims=True)
    e = np.exp(x)
    return e / e.sum(axis=axis, keepdims=True)


def split_heads(x, h):
    N, T, D = x.shape
    return x.reshape(N, T, h, D // h).transpose(0, 2, 1, 3)


def merge_heads(x):
    N, h, T, d = x.shape
    return x.transpose(0, 2, 1, 3).reshape(N, T, h * d)


def attention_forward(x, Wq, bq, Wk, bk, Wv, bv, Wo, bo, num_heads):
    q = split_heads(x @ Wq + bq, num_heads)
    k = split_heads(x @ Wk + bk, num_heads)
    v = split_heads(x @ Wv + bv, num_heads)
    d = q.shape[-1]
    T = x.shape[1]
    mask = np.tril(np.ones((T, T)))
    scores = q @ k.transpose(0, 1, 3, 2) / np.sqrt(d)
    scores = np.where(mask == 0, -np.inf, scores)
    attn = softmax(scores)
    ctx = merge_heads(attn @ v)
    out = ctx @ Wo + bo
    cache = (x, q, k, v, attn, ctx, Wq, Wk, Wv, Wo, mask, num_heads)
    return out, cache


def attention_backward(dout, cache):
    x, q, k, v, attn, ctx, Wq, Wk, Wv, Wo, mask, num_heads = cache
    N, T, D = x.shape
    d = q.shape[-1]
    dbo = dout.sum(axis=(0, 1))
    dWo = np.einsum("ntd,nte->de", ctx, dout)
    dctx = dout @ Wo.T
    dheads = split_heads(dctx, num_heads)
    dattn = dheads @ v.transpose(0, 1, 3, 2)
    dv = attn.transpose(0, 1, 3, 2) @ dheads
    dscores = attn * (dattn - (dattn * attn).sum(axis=-1, keepdims=True))
    dscores = np.where(mask == 0, 0, dscores)
    dscores /= np.sqrt(d)
    dq = dscores @ k
    dk = dscores.transpose(0, 1, 3, 2) @ q
    dq, dk, dv = merge_heads(dq), merge_heads(dk), merge_heads(dv)
    dWq = np.einsum("ntd,nte->de", x, dq)
    dWk = np.einsum("ntd,nte->de", x, dk)
    dWv = np.einsum("ntd,nte->de", x, dv)
    dbq, dbk, dbv = dq.sum((0, 1)), dk.sum((0, 1)), dv.sum((0, 1))
    dx = dq @ Wq.T + dk @ Wk.T + dv @ Wv.T
    return dx, dWq, dbq, dWk, dbk, dWv, dbv, dWo, dbo
