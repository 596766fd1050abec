"""Pooling window by window, in the manner of the course (course 4, week 1, "Convolution model"): slow and plain.

Images are (n_C, n_H, n_W, m) as everywhere here; the course has them as (m, n_H, n_W, n_C).
"""

from collections.abc import Callable, Iterator

import numpy as np

Span = tuple[int, int]


def create_mask_from_window(x: np.ndarray) -> np.ndarray:
    """The course's: True at the maximum, and where several are equal at each of them."""
    return x == np.max(x)


def first_in_window(x: np.ndarray) -> np.ndarray:
    """True at the first maximum alone, row by row."""
    mask = np.zeros(x.shape, dtype=bool)
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            if x[i, j] == np.max(x):
                mask[i, j] = True
                return mask
    raise AssertionError("a window without a maximum")


def distribute_value(dz: float, shape: tuple[int, int]) -> np.ndarray:
    """The course's: dz in equal parts."""
    n_H, n_W = shape
    return np.ones(shape) * (dz / (n_H * n_W))


def spans(size: int, f: int, s: int, p: int, ceil_mode: bool) -> list[Span]:
    """From where to where each window goes in an axis of `size` with p zeros at both ends."""
    found: list[Span] = []
    start = 0
    while True:
        whole = start + f <= size + 2 * p
        # What whole windows leave over has one more, unless that would begin in the padding at the end.
        rest = ceil_mode and (not found or found[-1][1] < size + 2 * p) and start < size + p
        if not (whole or rest):
            return found
        found.append((start, min(start + f, size + 2 * p)))
        start += s


def adaptive_spans(size: int, n: int) -> list[Span]:
    """From the first pixel of which a part lies in the h-th of n equal shares to the last one."""
    return [
        (
            min(i for i in range(size) if (i + 1) * n > h * size),
            max(i for i in range(size) if i * n < (h + 1) * size) + 1,
        )
        for h in range(n)
    ]


def places(shape: tuple[int, ...], rows: list[Span], columns: list[Span]) -> Iterator[tuple[tuple, tuple]]:
    """(index of an entry of A, index of its window in the padded A_prev), one after the other."""
    n_C, _, _, m = shape
    for i in range(m):
        for c in range(n_C):
            for h, (top, bottom) in enumerate(rows):
                for w, (left, right) in enumerate(columns):
                    yield (c, h, w, i), (c, slice(top, bottom), slice(left, right), i)


def pad(A_prev: np.ndarray, p: int, value: float) -> np.ndarray:
    """p more pixels on every side."""
    return np.pad(A_prev, ((0, 0), (p, p), (p, p), (0, 0)), constant_values=value)


def max_pool(
    A_prev: np.ndarray,
    rows: list[Span],
    columns: list[Span],
    p: int,
    dA: np.ndarray,
    mask: Callable[[np.ndarray], np.ndarray],
) -> tuple[np.ndarray, np.ndarray]:
    """(A, dA_prev)."""
    n_C, n_H_prev, n_W_prev, m = A_prev.shape
    A_pad, dA_pad = pad(A_prev, p, -np.inf), np.zeros((n_C, n_H_prev + 2 * p, n_W_prev + 2 * p, m))
    A = np.zeros((n_C, len(rows), len(columns), m))
    for out, window in places(A_prev.shape, rows, columns):
        A[out] = np.max(A_pad[window])
        dA_pad[window] += mask(A_pad[window]) * dA[out]
    return A, dA_pad[:, p : p + n_H_prev, p : p + n_W_prev]


def average_pool(
    A_prev: np.ndarray, rows: list[Span], columns: list[Span], p: int, dA: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(A, dA_prev)."""
    n_C, n_H_prev, n_W_prev, m = A_prev.shape
    A_pad, dA_pad = pad(A_prev, p, 0.0), np.zeros((n_C, n_H_prev + 2 * p, n_W_prev + 2 * p, m))
    A = np.zeros((n_C, len(rows), len(columns), m))
    for out, window in places(A_prev.shape, rows, columns):
        A[out] = np.mean(A_pad[window])
        dA_pad[window] += distribute_value(dA[out], A_pad[window].shape)
    return A, dA_pad[:, p : p + n_H_prev, p : p + n_W_prev]
