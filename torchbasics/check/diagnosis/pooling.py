"""Max and average pooling: recognised by values, and what goes wrong in dA_prev.

Legend: the canonical form is X (m, C, H, W), A (m, C, H', W'), windows of f by f at multiples of the stride.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from torchbasics.check.diagnosis.edges import Edge, Slip, agree
from torchbasics.check.diagnosis.windows import borders, canonical, stored
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

    split: bool = False
    """Whether the checker's derivative shares a tie out, rather than give it to one."""

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


Found = tuple[Pool, tuple[int | None, ...], str]


def first(window: Array) -> Array:
    """1 at one largest entry of each window, as torch chooses it, else 0."""
    flat = window.reshape(*window.shape[:2], -1)
    chosen = np.zeros_like(flat)
    np.put_along_axis(chosen, flat.argmax(axis=2)[..., None], 1.0, axis=2)
    return np.asarray(chosen.reshape(window.shape))


def ties(window: Array) -> Array:
    """1 at every largest entry of each window, else 0."""
    return np.asarray((window == window.max(axis=(2, 3), keepdims=True)) * 1.0)


def halves(window: Array) -> Array:
    """The largest entries' equal shares of 1."""
    return np.asarray(ties(window) / ties(window).sum(axis=(2, 3), keepdims=True))


def recognised(A: Array, values: Mapping[str, Array], rounding: float) -> Iterator[Found]:
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


def pull(pool: Pool, layout: tuple[int | None, ...], G: Array) -> Array:
    """dA_prev."""
    g = canonical(G, layout)[..., None, None]
    return stored(pool.spread(lambda window, h, w: share(pool, window) * g[:, :, h, w]), layout)


def pool_edge(label: str, found: Found) -> Edge:
    """The edge from X to A."""
    pool, layout, X = found
    what = "the mask of the largest" if pool.maximum else f"1/{pool.f**2} to each"
    return Edge(
        label,
        X,
        "other",
        lambda G: pull(pool, layout, G),
        lambda G: f"sum over the windows of {G} times {what}",
        lambda: slips(pool, layout),
    )


def share(pool: Pool, window: Array) -> Array:
    """What a window's entries get of its gradient."""
    if not pool.maximum:
        return np.full(window.shape, 1 / pool.f**2)
    return halves(window) if pool.split else first(window)


def slips(pool: Pool, layout: tuple[int | None, ...]) -> Iterator[Slip]:
    """Mistakes in dA_prev."""
    yield from _shares(pool, layout)
    masks = [lambda x: share(pool, x)]
    if pool.maximum and pool.split:
        # Where entries tie a learner's mask may be another one than the checker's, and right as well.
        masks += [first, ties]
    for mask in masks:
        yield from _places(pool, layout, mask)


def _slip(
    pool: Pool,
    layout: tuple[int | None, ...],
    id: str,
    text: str,
    wrong: Share,
    steps: tuple[int, int] | None = None,
    add: bool = True,
    kept: Array | None = None,
) -> Slip:
    def pull(G: Array) -> Array:
        g = canonical(G, layout) * (1.0 if kept is None else kept)
        return stored(pool.spread(lambda x, h, w: wrong(x, h, w) * g[:, :, h, w][..., None, None], steps, add), layout)

    return Slip(id, text, pull)


def _shares(pool: Pool, layout: tuple[int | None, ...]) -> Iterator[Slip]:
    """The gradient of a window goes to the wrong ones of its entries."""
    f = pool.f
    wrong: list[tuple[str, str, Callable[[Array], Array]]] = [
        ("other_activation", "the gradient goes to the largest, where the forward averages: {formula}", ties),
        ("average_missing", f"1/{f**2} is left out of {{formula}}", np.ones_like),
        ("average_missing", f"1/{f} stands for 1/{f**2} in {{formula}}", lambda x: np.ones_like(x) / f),
    ]
    if pool.maximum:
        wrong = [
            ("pool_ties", "where entries of a window tie, each gets the whole gradient: {formula}", ties),
            ("pool_ties", "where entries of a window tie, the gradient is split: {formula}", halves),
            ("mask_always_true", "the mask of the largest is left out of {formula}", np.ones_like),
            (
                "other_activation",
                "the gradient is shared out as by an average, where the forward takes the largest: {formula}",
                lambda x: np.full(x.shape, 1 / f**2),
            ),
            ("transpose_missing", "rows and columns of a window are mixed up in {formula}", _turned),
        ]
    for id, text, mask in wrong:
        yield _slip(pool, layout, id, text, lambda x, h, w, mask=mask: mask(x))  # type: ignore[misc]


def _turned(window: Array) -> Array:
    return first(window).swapaxes(2, 3)


def _places(pool: Pool, layout: tuple[int | None, ...], mask: Callable[[Array], Array]) -> Iterator[Slip]:
    """The gradient of a window goes to the right ones of its entries, in the wrong place or over another's."""
    f, s = pool.f, pool.stride

    def right(x: Array, h: int, w: int) -> Array:
        return mask(x)

    overlap = "= stands for += where windows overlap: {formula}"
    yield _slip(pool, layout, "assigned_not_accumulated", overlap, right, add=False)
    yield Slip(
        "assigned_not_accumulated", overlap, lambda G: stored(_overwritten(pool, canonical(G, layout), mask), layout)
    )
    for steps in dict.fromkeys(((1, 1), (1, s), (s, 1), (f, f))):
        last = [(n - 1) * k + f for n, k in zip(pool.shape[2:], steps, strict=True)]
        if steps != (s, s) and last[0] <= pool.X.shape[2] and last[1] <= pool.X.shape[3]:
            text = f"the windows of {{formula}} begin at multiples of {steps[0]} and {steps[1]}, not of the stride {s}"
            yield _slip(pool, layout, "window_offset", text, right, steps)
            yield _slip(pool, layout, "window_offset", text, lambda x, h, w: mask(pool.window(h, w)), steps)
    for name, kept in borders(*pool.shape[2:]):
        text = f"the {name} of windows is left out of {{formula}}"
        yield _slip(pool, layout, "window_offset", text, right, kept=kept)


def _overwritten(pool: Pool, G: Array, mask: Callable[[Array], Array]) -> Array:
    """X[window][mask] = dA in the order of the loops."""
    total = np.zeros_like(pool.X)
    for h, w in np.ndindex(*pool.shape[2:]):
        here = mask(pool.window(h, w))
        at = np.s_[:, :, h * pool.stride : h * pool.stride + pool.f, w * pool.stride : w * pool.stride + pool.f]
        total[at] = np.where(here != 0, here * G[:, :, h, w][..., None, None], total[at])
    return total
