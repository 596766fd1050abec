"""Causal attention as a torch.autograd.Function, with -inf where a score is hidden."""

import math

import torch


class Attention(torch.autograd.Function):
    @staticmethod
    def forward(ctx, Q, K, V):
        d = Q.shape[-1]
        T = Q.shape[-2]
        mask = torch.triu(torch.ones(T, T, dtype=torch.bool), 1)
        S = Q @ K.transpose(-2, -1) / math.sqrt(d)
        S = S.masked_fill(mask, float("-inf"))
        P = torch.softmax(S, dim=-1)
        O = P @ V
        ctx.save_for_backward(Q, K, V, P)
        return O

    @staticmethod
    def backward(ctx, dO):
        Q, K, V, P = ctx.saved_tensors
        d = Q.shape[-1]
        dV = P.transpose(-2, -1) @ dO
        dP = dO @ V.transpose(-2, -1)
        dS = P * (dP - (dP * P).sum(dim=-1, keepdim=True))
        dS = dS / math.sqrt(d)
        dQ = dS @ K
        dK = dS.transpose(-2, -1) @ Q
        return dQ, dK, dV
