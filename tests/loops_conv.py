"""Convolution place by place, in the manner of the course (course 4, week 1, "Convolution model"): slow and plain.

Images are (n_C, n_H, n_W, m) as everywhere here; the course has them as (m, n_H, n_W, n_C), and W as (f, f, n_C_prev,
n_C). Its `hparameters` are a stride and a pad for both axes; here each is a pair, and dilation and groups are added.
What the course sums up over examples, its dW and db, is m times the gradient of J.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

Pair = tuple[int, int]
Slice = tuple[slice, slice, slice]


class Hyperparameters(NamedTuple):
    """The course's hparameters."""

    stride: Pair
    pad: Pair
    dilation: Pair
    groups: int


def zero_pad(X: np.ndarray, pad: Pair) -> np.ndarray:
    """The course's: zeros around every image."""
    return np.pad(X, ((0, 0), (pad[0], pad[0]), (pad[1], pad[1]), (0, 0)))


def crop(X_pad: np.ndarray, pad: Pair) -> np.ndarray:
    """What lies inside the padding."""
    _, n_H_pad, n_W_pad, _ = X_pad.shape
    return X_pad[:, pad[0] : n_H_pad - pad[0], pad[1] : n_W_pad - pad[1]]


def places(size: int, f: int, stride: int, pad: int, dilation: int) -> int:
    """The course's n_H and n_W."""
    return (size + 2 * pad - (dilation * (f - 1) + 1)) // stride + 1


def windows(n_H: int, n_W: int, W: np.ndarray, hparameters: Hyperparameters) -> Iterator[tuple[int, int, int, Slice]]:
    """The course's loops over h, w and c, with the slice of the padded image that W[c] lies on there."""
    n_C, n_C_of_group, f_H, f_W = W.shape
    for h in range(n_H):
        vert_start = h * hparameters.stride[0]
        vert_end = vert_start + hparameters.dilation[0] * (f_H - 1) + 1
        for w in range(n_W):
            horiz_start = w * hparameters.stride[1]
            horiz_end = horiz_start + hparameters.dilation[1] * (f_W - 1) + 1
            for c in range(n_C):
                group = c // (n_C // hparameters.groups)
                channels = slice(group * n_C_of_group, (group + 1) * n_C_of_group)
                rows = slice(vert_start, vert_end, hparameters.dilation[0])
                yield h, w, c, (channels, rows, slice(horiz_start, horiz_end, hparameters.dilation[1]))


def conv_forward(A_prev: np.ndarray, W: np.ndarray, b: np.ndarray, hparameters: Hyperparameters) -> np.ndarray:
    """Z of W (n_C, n_C_prev / groups, f_H, f_W)."""
    _, n_H_prev, n_W_prev, m = A_prev.shape
    n_C, _, f_H, f_W = W.shape
    stride, pad, dilation, _ = hparameters
    n_H = places(n_H_prev, f_H, stride[0], pad[0], dilation[0])
    n_W = places(n_W_prev, f_W, stride[1], pad[1], dilation[1])
    Z = np.zeros((n_C, n_H, n_W, m))
    A_prev_pad = zero_pad(A_prev, pad)
    for i in range(m):
        for h, w, c, slice_ in windows(n_H, n_W, W, hparameters):
            a_slice_prev = A_prev_pad[..., i][slice_]
            Z[c, h, w, i] = np.sum(a_slice_prev * W[c]) + b[c].item()
    return Z


def conv_backward(
    dZ: np.ndarray, A_prev: np.ndarray, W: np.ndarray, hparameters: Hyperparameters
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """dA_prev, m dW and m db."""
    n_C, n_H, n_W, m = dZ.shape
    dA_prev_pad = zero_pad(np.zeros(A_prev.shape), hparameters.pad)
    dW, db = np.zeros(W.shape), np.zeros(n_C)
    A_prev_pad = zero_pad(A_prev, hparameters.pad)
    for i in range(m):
        for h, w, c, slice_ in windows(n_H, n_W, W, hparameters):
            a_slice_prev, da_slice_prev = A_prev_pad[..., i][slice_], dA_prev_pad[..., i][slice_]
            da_slice_prev += W[c] * dZ[c, h, w, i]
            dW[c] += a_slice_prev * dZ[c, h, w, i]
            db[c] += dZ[c, h, w, i]
    return crop(dA_prev_pad, hparameters.pad), dW, db


def transpose_forward(
    A_prev: np.ndarray, W: np.ndarray, b: np.ndarray, hparameters: Hyperparameters, output_padding: Pair
) -> np.ndarray:
    """Z of W (n_C_prev, n_C / groups, f_H, f_W): W[c] times each pixel of channel c is added to a slice of Z."""
    _, n_H_prev, n_W_prev, m = A_prev.shape
    _, n_C_of_group, f_H, f_W = W.shape
    stride, pad, dilation, groups = hparameters
    n_H_pad = (n_H_prev - 1) * stride[0] + dilation[0] * (f_H - 1) + 1 + output_padding[0]
    n_W_pad = (n_W_prev - 1) * stride[1] + dilation[1] * (f_W - 1) + 1 + output_padding[1]
    Z_pad = np.zeros((n_C_of_group * groups, n_H_pad, n_W_pad, m))
    for i in range(m):
        for h, w, c, slice_ in windows(n_H_prev, n_W_prev, W, hparameters):
            z_slice = Z_pad[..., i][slice_]
            z_slice += W[c] * A_prev[c, h, w, i]
    return crop(Z_pad, pad) + b.reshape(-1, 1, 1, 1)


def transpose_backward(
    dZ: np.ndarray, A_prev: np.ndarray, W: np.ndarray, hparameters: Hyperparameters
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """dA_prev, m dW and m db."""
    _, n_H_prev, n_W_prev, m = A_prev.shape
    dA_prev, dW = np.zeros(A_prev.shape), np.zeros(W.shape)
    dZ_pad = zero_pad(dZ, hparameters.pad)
    for i in range(m):
        for h, w, c, slice_ in windows(n_H_prev, n_W_prev, W, hparameters):
            dz_slice = dZ_pad[..., i][slice_]
            dA_prev[c, h, w, i] = np.sum(dz_slice * W[c])
            dW[c] += dz_slice * A_prev[c, h, w, i]
    return dA_prev, dW, dZ.sum((1, 2, 3))
