"""Values moved, not changed: reshaped, transposed, or looked up by integers, where one may be used more than once."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from torchbasics.check.diagnosis.edges import Edge, Pull, Slip, agree, bracketed
from torchbasics.check.step import Array

Index = np.ndarray[Any, np.dtype[np.int_]]


def moved(label: str, Q: Array, values: Mapping[str, Array]) -> Edge | None:
    """The edge into Q from an array that it is a reshape or transpose of."""
    for name, P in values.items():
        if P.size != Q.size or P.size < 2 or P.shape == Q.shape:
            continue
        if (P.reshape(-1) == Q.reshape(-1)).all():
            return _moved_edge(label, name, P.shape, False)
        if Q.ndim == 2 and P.shape[0] == Q.shape[1] and (P.reshape(Q.shape[1], -1) == Q.T).all():
            return _moved_edge(label, name, P.shape, True)
    return None


def _moved_edge(label: str, name: str, shape: tuple[int, ...], flip: bool) -> Edge:
    flat = "^T" if flip else ""
    text = flat if flip and len(shape) == 2 else f"{flat} reshaped to {shape}"
    pull: Pull = (lambda G: G.T.reshape(shape)) if flip else (lambda G: G.reshape(shape))
    return Edge(label, name, "other", pull, lambda G: f"{bracketed(G)}{text}")


def padded(label: str, Q: Array, values: Mapping[str, Array]) -> Edge | None:
    """The edge into Q from an image, or from one example of several, that it has zeros around."""
    for name, P in values.items():
        if P.ndim not in (Q.ndim, Q.ndim + 1) or Q.ndim not in (3, 4) or P.size < 2:
            continue
        for i in range(len(P)) if P.ndim > Q.ndim else (None,):
            inner = P if i is None else P[i]
            grown = [(a - b) // 2 for a, b in zip(Q.shape, inner.shape, strict=True)]
            if min(grown) < 0 or Q.shape != tuple(b + 2 * g for b, g in zip(inner.shape, grown, strict=True)):
                continue
            if (np.pad(inner, [(g, g) for g in grown]) == Q).all() and (max(grown) > 0 or i is not None):
                return _padded_edge(label, name, P.shape, i, grown, inner.shape)
    return None


def stacked(label: str, Q: Array, values: Mapping[str, Array]) -> list[Edge]:
    """The edges into an array from those that it holds one of at each time step."""
    found: list[Edge] = []
    for name, P in values.items() if Q.ndim == 3 else ():
        for axis in range(3) if P.ndim == 2 and P.size > 1 else ():
            if P.shape == Q.shape[:axis] + Q.shape[axis + 1 :]:
                at = [t for t in range(Q.shape[axis]) if (Q.take(t, axis) == P).all()]
                found += [_taken_edge(label, name, axis, at[0])] if len(at) == 1 else []
    return found


def _taken_edge(label: str, name: str, axis: int, t: int) -> Edge:
    index = ", ".join(str(t) if other == axis else ":" for other in range(3))
    return Edge(label, name, "other", lambda G: np.asarray(G.take(t, axis)), lambda G: f"{bracketed(G)}[{index}]")


def concatenated(label: str, Q: Array, values: Mapping[str, Array]) -> list[Edge]:
    """The edges into an array from the blocks that lie in it side by side: heads, or a_prev and xt."""
    found: list[Edge] = []
    for name, P in values.items() if Q.ndim in (2, 3) else ():
        for axis in range(Q.ndim) if P.ndim == Q.ndim and P.size > 1 else ():
            n = P.shape[axis]
            if n < Q.shape[axis] and P.shape[:axis] + P.shape[axis + 1 :] == Q.shape[:axis] + Q.shape[axis + 1 :]:
                starts = range(Q.shape[axis] - n + 1)
                at = [start for start in starts if (Q.take(range(start, start + n), axis) == P).all()]
                found += [_block_edge(label, name, axis, at[0], n, Q.shape[axis])] if len(at) == 1 else []
    return found


def _block_edge(label: str, name: str, axis: int, start: int, n: int, whole: int) -> Edge:
    what = {0: "rows", 1: "columns"}.get(axis, f"entries of axis {axis}")

    def take(G: Array, at: range) -> Array:
        return np.asarray(G.take(at, axis))

    def slips() -> Iterator[Slip]:
        right = f"{start} to {start + n - 1}"
        for other in range(whole - n + 1):
            if other != start:
                text = f"the {what} {other} to {other + n - 1} stand where {{formula}} has the {what} {right}"
                at = range(other, other + n)
                yield Slip("wrong_operand", text, lambda G, at=at: take(G, at))  # type: ignore[misc]
        by = whole // n
        for first in range(by if whole % n == 0 else 0):
            text = f"every {by}-th of the {what}, from {first}, stands where {{formula}} has the {what} {right}"
            at = range(first, whole, by)
            yield Slip("wrong_operand", text, lambda G, at=at: take(G, at))  # type: ignore[misc]

    return Edge(
        label,
        name,
        "other",
        lambda G: take(G, range(start, start + n)),
        lambda G: f"(the {what} {start} to {start + n - 1} of {G})",
        slips,
    )


def _padded_edge(
    label: str, name: str, shape: tuple[int, ...], i: int | None, grown: list[int], inner: tuple[int, ...]
) -> Edge:
    def cut(G: Array, starts: list[int]) -> Array:
        part = G[tuple(slice(start, start + size) for start, size in zip(starts, inner, strict=True))]
        if i is None:
            return part
        whole = np.zeros(shape)
        whole[i] = part
        return whole

    def slips() -> Iterator[Slip]:
        pad = max(grown)
        for start in range(2 * pad + 1):
            if start != pad:
                text = f"the padding is cut off at {start}, not at {pad}: {{formula}}"
                starts = [start if g else 0 for g in grown]
                yield Slip("window_offset", text, lambda G, starts=starts: cut(G, starts))  # type: ignore[misc]

    return Edge(label, name, "other", lambda G: cut(G, grown), lambda G: f"{G} without the padding", slips)


def slice_edge(label: str, name: str, shape: tuple[int, ...], axis: int, t: int) -> Edge:
    """The edge into one time step of an array from the array."""

    def pull(G: Array) -> Array:
        whole = np.zeros(shape)
        whole[(slice(None),) * axis + (t,)] = G
        return whole

    return Edge(label, name, "other", pull, lambda G: f"{G} at step {t}")


def integers(values: Mapping[str, Array]) -> Iterator[tuple[str, Index]]:
    """The arrays that may be indices."""
    for label, value in values.items():
        if (
            value.ndim
            and value.size > 1
            and np.isfinite(value).all()
            and (value == np.round(value)).all()
            and value.min() >= 0
        ):
            yield label, value.astype(int)


def looked_up(
    label: str, Q: Array, values: Mapping[str, Array], everything: Mapping[str, Array], rounding: float
) -> Edge | None:
    """The edge into Q from the table whose entries it holds, alone or averaged or summed over an axis of indices."""
    for index_label, index in integers(everything):
        for name, E in values.items():
            for axis in range(E.ndim if E.ndim <= 2 and name != index_label else 0):
                if index.max() >= E.shape[axis]:
                    continue
                taken = np.take(E, index, axis=axis)
                for over in (None, *range(axis, axis + index.ndim)):
                    for mean in (True, False):
                        value = taken if over is None else taken.mean(axis=over) if mean else taken.sum(axis=over)
                        if value.shape == Q.shape and agree(Q, value, rounding):
                            expand = _expander(taken.shape, over, mean)
                            return _edge(label, name, E, index, index_label, axis, expand)
    return None


def _expander(shape: tuple[int, ...], over: int | None, mean: bool) -> Pull:
    def expand(G: Array) -> Array:
        if over is None:
            return G
        spread = np.broadcast_to(np.expand_dims(G, over), shape)
        return np.asarray(spread / shape[over]) if mean else spread

    return expand


def _edge(
    label: str,
    name: str,
    E: Array,
    index: Index,
    index_label: str,
    axis: int,
    expand: Callable[[Array], Array],
) -> Edge:
    def rows(G: Array) -> Array:
        """The gradient of each look-up, the looked-up axes first."""
        spread = np.moveaxis(expand(G), range(axis, axis + index.ndim), range(index.ndim))
        return np.asarray(spread)

    def added(G: Array) -> Array:
        table = np.zeros(np.moveaxis(E, axis, 0).shape)
        np.add.at(table, index, rows(G))
        return np.asarray(np.moveaxis(table, 0, axis))

    def overwritten(G: Array, loop: int | None, add: bool) -> Array:
        table, terms = np.zeros(np.moveaxis(E, axis, 0).shape), rows(G)
        if loop is None:
            table[index] = terms
        else:
            for i in range(index.shape[loop]):
                at, term = np.take(index, i, axis=loop), np.take(terms, i, axis=loop)
                table[at] = (table[at] if add else 0) + term
        return np.asarray(np.moveaxis(table, 0, axis))

    def slips() -> Iterator[Slip]:
        text = f"{name}[{index_label}] += keeps one of repeated indices only: {{formula}} needs np.add.at"
        yield Slip("repeated_indices", text, lambda G: overwritten(G, None, False))
        for loop in range(index.ndim):
            yield Slip("repeated_indices", text, lambda G, i=loop: overwritten(G, i, True))  # type: ignore[misc]
            assigned = f"= stands for += in the loop of {{formula}}: of {name}'s uses only the last is left"
            yield Slip("assigned_not_accumulated", assigned, lambda G, i=loop: overwritten(G, i, False))  # type: ignore[misc]

    return Edge(label, name, "other", added, lambda G: f"{G} added up at {index_label}", slips)
