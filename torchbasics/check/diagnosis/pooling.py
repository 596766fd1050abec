"""Max and average pooling: recognised by values, and what goes wrong in dA_prev.

Legend: the canonical form is X (m, C, H, W), A (m, C, H', W'), windows of f by f at multiples of the stride.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from torchbasics.check.diagnosis.convolution import borders, canonical, stored
from torchbasics.check.diagnosis.edges import Edge, Slip, agree
from torchbasics.check.step import Array

LAYOUTS: tuple[tuple[int | None, ...], ...] = ((0, 3, 1, 2), (0, 1, 2, 3), (0, None, 1, 2), (None, None, 0, 1))


Share = Callable[[Array, int, int], Array]


@dataclass(frozen=True)
class Pool:
    """A pooling by its window and stride."""

    X: Array
    f: int
    stride: int
    maximum: bool
    shape: tuple[int, ...]
    """Of A."""

    def spread(self, share: Share, steps: tuple[int, int] | None = None, add: bool = True) -> Array:
        """The gradient of X: share(window, h, w) added, or assigned, where each window was."""
        down, right = steps or (self.stride, self.stride)
        total = np.zeros_like(self.X)
        for h, w in np.ndindex(*self.shape[2:]):
            at = np.s_[:, :, h * down : h * down + self.f, w * right : w * right + self.f]
            term = share(self.X[at], h, w)
            total[at] = (total[at] if add else 0) + term
        return total

    def window(self, h: int, w: int) -> Array:
        """X where the window is."""
        top, left = h * self.stride, w * self.stride
        return self.X[:, :, top : top + self.f, left : left + self.f]


def first(window: Array) -> Array:
    """1 at one largest entry of each window, as torch chooses it, else 0."""
    flat = window.reshape(*window.shape[:2], -1)
    chosen = np.zeros_like(flat)
    np.put_along_axis(chosen, flat.argmax(axis=2)[..., None], 1.0, axis=2)
    return np.asarray(chosen.reshape(window.shape))


def ties(window: Array) -> Array:
    """1 at every largest entry of each window, else 0."""
    return np.asarray((window == window.max(axis=(2, 3), keepdims=True)) * 1.0)


def recognised(
    A: Array, values: Mapping[str, Array], rounding: float
) -> Iterator[tuple[Pool, tuple[int | None, ...], str]]:
    """The poolings that give A: (pool, layout, X's label)."""
    for label, value in values.items():
        for layout in LAYOUTS:
            if value.ndim != A.ndim or A.ndim != sum(axis is not None for axis in layout) or value.shape == A.shape:
                continue
            X, target = canonical(value, layout), canonical(A, layout)
            if X.shape[:2] != target.shape[:2]:
                continue
            for f in range(2, 1 + min(X.shape[2:])):
                views = sliding_window_view(X, (f, f), axis=(2, 3))
                for stride in range(1, f + 2):
                    windows = views[:, :, ::stride, ::stride]
                    if windows.shape[:4] == target.shape:
                        for maximum in (True, False):
                            value = windows.max(axis=(4, 5)) if maximum else windows.mean(axis=(4, 5))
                            if agree(target, value, rounding):
                                yield Pool(X, f, stride, maximum, target.shape), layout, label


def pool_edge(label: str, found: tuple[Pool, tuple[int | None, ...], str]) -> Edge:
    """The edge from X to A."""
    pool, layout, X = found

    def pull(G: Array) -> Array:
        g = canonical(G, layout)[..., None, None]
        return stored(pool.spread(lambda window, h, w: share(pool, window) * g[:, :, h, w]), layout)

    what = "the mask of the largest" if pool.maximum else f"1/{pool.f**2} to each"
    return Edge(
        label, X, "other", pull, lambda G: f"sum over the windows of {G} times {what}", lambda: slips(pool, layout)
    )


def share(pool: Pool, window: Array) -> Array:
    """What a window's entries get of its gradient."""
    return first(window) if pool.maximum else np.full(window.shape, 1 / pool.f**2)


def slips(pool: Pool, layout: tuple[int | None, ...]) -> Iterator[Slip]:
    """Mistakes in dA_prev."""

    def slip(
        id: str,
        text: str,
        wrong: Share,
        steps: tuple[int, int] | None = None,
        add: bool = True,
        kept: Array | None = None,
    ) -> Slip:
        def pull(G: Array) -> Array:
            g = canonical(G, layout) * (1.0 if kept is None else kept)
            return stored(
                pool.spread(lambda x, h, w: wrong(x, h, w) * g[:, :, h, w][..., None, None], steps, add), layout
            )

        return Slip(id, text, pull)

    def right(window: Array, h: int, w: int) -> Array:
        return share(pool, window)

    def everything(window: Array, h: int, w: int) -> Array:
        return np.ones_like(window)

    f, s = pool.f, pool.stride
    if pool.maximum:
        each = "where entries of a window tie, each gets the whole gradient: {formula}"
        yield slip("pool_ties", each, lambda x, h, w: ties(x))
        split = "where entries of a window tie, the gradient is split: {formula}"
        yield slip("pool_ties", split, lambda x, h, w: ties(x) / ties(x).sum(axis=(2, 3), keepdims=True))
        yield slip("mask_always_true", "the mask of the largest is left out of {formula}", everything)
        average = "the gradient is shared out as by an average, where the forward takes the largest: {formula}"
        yield slip("other_activation", average, lambda x, h, w: np.full(x.shape, 1 / f**2))
        turned = "rows and columns of a window are mixed up in {formula}"
        yield slip("transpose_missing", turned, lambda x, h, w: first(x).swapaxes(2, 3))
    else:
        yield slip("average_missing", f"1/{f**2} is left out of {{formula}}", everything)
        root = f"1/{f} stands for 1/{f**2} in {{formula}}"
        yield slip("average_missing", root, lambda x, h, w: np.ones_like(x) / f)
        largest = "the gradient goes to the largest, where the forward averages: {formula}"
        yield slip("other_activation", largest, lambda x, h, w: ties(x))
    overlap = "= stands for += where windows overlap: {formula}"
    yield slip("assigned_not_accumulated", overlap, right, add=False)
    yield Slip("assigned_not_accumulated", overlap, lambda G: stored(_overwritten(pool, canonical(G, layout)), layout))
    for steps in dict.fromkeys(((1, 1), (1, s), (s, 1), (f, f))):
        if steps != (s, s) and all(
            (n - 1) * k + f <= size for n, k, size in zip(pool.shape[2:], steps, pool.X.shape[2:], strict=True)
        ):
            text = f"the windows of {{formula}} begin at multiples of {steps[0]} and {steps[1]}, not of the stride {s}"
            yield slip("window_offset", text, right, steps)
            yield slip("window_offset", text, lambda x, h, w: share(pool, pool.window(h, w)), steps)
    for name, kept in borders(*pool.shape[2:]):
        yield slip("window_offset", f"the {name} of windows is left out of {{formula}}", right, kept=kept)


def _overwritten(pool: Pool, G: Array) -> Array:
    """X[window][mask] = dA in the order of the loops."""
    total = np.zeros_like(pool.X)
    for h, w in np.ndindex(*pool.shape[2:]):
        term = share(pool, pool.window(h, w)) * G[:, :, h, w][..., None, None]
        at = np.s_[:, :, h * pool.stride : h * pool.stride + pool.f, w * pool.stride : w * pool.stride + pool.f]
        total[at] = np.where(share(pool, pool.window(h, w)) != 0, term, total[at])
    return total
