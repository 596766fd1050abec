"""Convolutions as the course writes them: recognised by values, and what goes wrong in dA_prev, dW and db.

Legend: see `windows`.
"""

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from torchbasics.check.diagnosis.edges import Edge, Slip, agree
from torchbasics.check.diagnosis.windows import LAYOUTS, Convolution, Layout, borders, canonical, stored
from torchbasics.check.step import Array


def recognised(
    Z: Array, values: Mapping[str, Array], rounding: float
) -> Iterator[tuple[Convolution, Layout, str, str, str | None]]:
    """The convolutions that give Z: (convolution, layout, X's label, K's, b's)."""
    for layout in LAYOUTS:
        if Z.ndim != sum(axis is not None for axis in layout.Z):
            continue
        target = canonical(Z, layout.Z)
        for x_label, k_label in _pairs(values, layout):
            X, K = canonical(values[x_label], layout.X), canonical(values[k_label], layout.K)
            if X.shape[0] != target.shape[0] or K.shape[0] != target.shape[1] or X.shape[1] != K.shape[1]:
                continue
            for stride, pad in _geometry(X.shape[2:], K.shape[2:], target.shape[2:]):
                convolution = Convolution(X, K, stride, pad, target.shape)
                bias = _bias(target, convolution.forward(), values, (x_label, k_label), rounding)
                if bias is not None:
                    yield convolution, layout, x_label, k_label, bias or None


def _pairs(values: Mapping[str, Array], layout: Layout) -> Iterator[tuple[str, str]]:
    counts = [sum(axis is not None for axis in axes) for axes in (layout.X, layout.K)]
    for x_label, X in values.items():
        for k_label, K in values.items():
            if x_label != k_label and X.ndim == counts[0] and K.ndim == counts[1] and K.size > 1:
                yield x_label, k_label


def _geometry(X: tuple[int, ...], K: tuple[int, ...], Z: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    if any(k > x for x, k in zip(X, K, strict=True)):
        return
    for stride in range(1, 5):
        for pad in range(max(K)):
            if all((x + 2 * pad - k) // stride + 1 == z and x + 2 * pad >= k for x, k, z in zip(X, K, Z, strict=True)):
                yield stride, pad


def _bias(Z: Array, product: Array, values: Mapping[str, Array], used: tuple[str, str], rounding: float) -> str | None:
    """The label of the bias, "" if there is none, None if no array of `values` makes the product Z."""
    if agree(Z, product, rounding):
        return ""
    for label, value in values.items():
        fits = label not in used and value.size in (1, Z.shape[1])
        if fits and agree(Z, product + value.reshape(1, -1, 1, 1), rounding):
            return label
    return None


def edges(
    label: str, found: tuple[Convolution, Layout, str, str, str | None], values: Mapping[str, Array]
) -> Iterator[Edge]:
    """To X, K and b."""
    convolution, layout, X, K, b = found

    def into(G: Array) -> Array:
        return canonical(G, layout.Z)

    def to_X(value: Array) -> Array:
        return stored(value, layout.X)

    def to_K(value: Array) -> Array:
        return stored(value, layout.K)

    yield Edge(
        label,
        X,
        "input",
        lambda G: to_X(convolution.crop(convolution.spread(into(G), convolution.K))),
        lambda G: f"sum over the windows of {K} {G}",
        lambda: (_wrapped(slip, into, to_X) for slip in input_slips(convolution, K)),
    )
    yield Edge(
        label,
        K,
        "weight",
        lambda G: to_K(convolution.to_K(into(G))),
        lambda G: f"sum over the windows of {X}'s window times {G}",
        lambda: (_wrapped(slip, into, to_K) for slip in kernel_slips(convolution)),
    )
    if b:
        shape = values[b].shape

        def to_b(value: Array) -> Array:
            return value.reshape(shape) if value.size == np.prod(shape) else value

        yield Edge(
            label,
            b,
            "bias",
            lambda G: to_b(np.asarray(into(G).sum(axis=(0, 2, 3)))),
            lambda G: f"sum over the examples and positions of {G}",
            lambda: (_wrapped(slip, into, to_b) for slip in bias_slips()),
        )


def of_one_example(label: str, Z: Array, of: str, values: Mapping[str, Array], rounding: float) -> Edge | None:
    """The edge to `of` where it is one example's (padded) part, as the course's loop over the examples has it."""
    X = values.get(of)
    if X is None or X.ndim != 3 or Z.ndim != 4:
        return None
    for layout in LAYOUTS[:2]:
        target = canonical(Z, layout.Z)
        for k_label, K in values.items():
            if K.ndim != 4 or K.shape == Z.shape:
                continue
            X4, K4 = canonical(X[None], layout.X), canonical(K, layout.K)
            if K4.shape[0] != target.shape[1] or X4.shape[1] != K4.shape[1]:
                continue
            for stride, pad in _geometry(X4.shape[2:], K4.shape[2:], target.shape[2:]):
                convolution = Convolution(X4, K4, stride, pad, (1, *target.shape[1:]))
                for i in range(len(target)):
                    if _bias(target[i : i + 1], convolution.forward(), values, (of, k_label), rounding) is not None:
                        return _example_edge(label, of, i, convolution, layout, k_label)
    return None


def _example_edge(label: str, of: str, i: int, convolution: Convolution, layout: Layout, K: str) -> Edge:
    def into(G: Array) -> Array:
        return canonical(G, layout.Z)[i : i + 1]

    def back(value: Array) -> Array:
        return np.asarray(stored(value, layout.X)[0])

    return Edge(
        label,
        of,
        "input",
        lambda G: back(convolution.crop(convolution.spread(into(G), convolution.K))),
        lambda G: f"sum over the windows of {K} {G}",
        lambda: (_wrapped(slip, into, back) for slip in input_slips(convolution, K)),
    )


def _wrapped(slip: Slip, into: Callable[[Array], Array], back: Callable[[Array], Array]) -> Slip:
    return Slip(slip.id, slip.text, lambda G: back(slip.pull(into(G))))


def input_slips(convolution: Convolution, label: str) -> Iterator[Slip]:
    """Mistakes in dA_prev."""
    K, crop, spread = convolution.K, convolution.crop, convolution.spread
    yield Slip(
        "kernel_flipped",
        f"{label} is turned by 180 degrees in {{formula}}",
        lambda G: crop(spread(G, K[:, :, ::-1, ::-1])),
    )
    turned = f"{label} is transposed in {{formula}}"
    if K.shape[2] == K.shape[3]:
        yield Slip("transpose_missing", turned, lambda G: crop(spread(G, K.swapaxes(2, 3))))
    if K.shape[0] == K.shape[1]:
        swapped = f"the channel axes of {label} are swapped in {{formula}}"
        yield Slip("channels_swapped", swapped, lambda G: crop(spread(G, K.swapaxes(0, 1))))
    for top in range(2 * convolution.pad + 1):
        if top != convolution.pad:
            text = f"the padding is cut off at {top}, not at {convolution.pad}: {{formula}}"
            yield Slip("window_offset", text, lambda G, top=top: crop(spread(G, K), top))  # type: ignore[misc]
    if convolution.stride > 1:
        text = f"the windows of {{formula}} begin at h, not at stride h with stride {convolution.stride}"
        yield Slip("window_offset", text, lambda G: crop(spread(G, K, 1)))
    for name, edge in borders(*convolution.shape[2:]):
        text = f"the {name} of windows is left out of {{formula}}"
        yield Slip("window_offset", text, lambda G, edge=edge: crop(spread(G * edge, K)))  # type: ignore[misc]
    assigned = "= stands for += where windows overlap: {formula}"
    yield Slip("assigned_not_accumulated", assigned, lambda G: crop(convolution.overwritten(G[:, -1:], K[-1:])))
    yield Slip("assigned_not_accumulated", assigned, lambda G: crop(convolution.overwritten(G, K)))
    filters = "= stands for += over the filters: only the last one's term of {formula} is left"
    yield Slip("assigned_not_accumulated", filters, lambda G: crop(spread(G[:, -1:], K[-1:])))


def kernel_slips(convolution: Convolution) -> Iterator[Slip]:
    """Mistakes in dW."""
    pull = convolution.to_K
    yield Slip("kernel_flipped", "{formula} is turned by 180 degrees", lambda G: pull(G)[:, :, ::-1, ::-1])
    if convolution.K.shape[2] == convolution.K.shape[3]:
        yield Slip("transpose_missing", "{formula} is transposed in height and width", lambda G: pull(G).swapaxes(2, 3))
    if convolution.K.shape[0] == convolution.K.shape[1]:
        swapped = "the channel axes of {formula} are swapped"
        yield Slip("channels_swapped", swapped, lambda G: pull(G).swapaxes(0, 1))
    if convolution.stride > 1:
        text = f"the windows of {{formula}} begin at h, not at stride h with stride {convolution.stride}"
        yield Slip("window_offset", text, lambda G: pull(G, convolution.windows(step=1)))
    for shift in range(1, 1 + max(1, convolution.pad)):
        text = f"the windows of {{formula}} begin {shift} too late"
        yield Slip("window_offset", text, lambda G, shift=shift: pull(G, convolution.windows(shift=shift)))  # type: ignore[misc]
    for name, edge in borders(*convolution.shape[2:]):
        text = f"the {name} of windows is left out of {{formula}}"
        yield Slip("window_offset", text, lambda G, edge=edge: pull(G * edge))  # type: ignore[misc]
    last = "= stands for += over the windows: only the last one's term of {formula} is left"
    for text, kept in ((last, _last_window), (last.replace("windows", "examples"), _last_example)):
        yield Slip("assigned_not_accumulated", text, lambda G, kept=kept: pull(kept(G)))  # type: ignore[misc]


def bias_slips() -> Iterator[Slip]:
    """Mistakes in db."""
    yield Slip("db_no_axis", "the sum of {formula} is over the channels too", lambda G: np.asarray(G.sum()))
    average = "{formula} is averaged over the channels"
    yield Slip("db_averaged_over_units", average, lambda G: np.asarray(G.sum() / G.shape[1]))
    last = "= stands for += over the windows: only the last one's term of {formula} is left"
    for text, kept in ((last, _last_window), (last.replace("windows", "examples"), _last_example)):
        yield Slip(
            "assigned_not_accumulated",
            text,
            lambda G, kept=kept: np.asarray(kept(G).sum(axis=(0, 2, 3))),  # type: ignore[misc]
        )
    for axes in ((0,), (2, 3), (0, 2), (0, 3)):
        some = f"{{formula}} is summed over {len(axes)} of the three axes only"
        yield Slip("db_wrong_axis", some, lambda G, axes=axes: np.asarray(G.sum(axis=axes)))  # type: ignore[misc]


def _last_window(G: Array) -> Array:
    kept = np.zeros_like(G)
    kept[-1, :, -1, -1] = G[-1, :, -1, -1]
    return kept


def _last_example(G: Array) -> Array:
    kept = np.zeros_like(G)
    kept[-1] = G[-1]
    return kept
