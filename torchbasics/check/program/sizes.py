"""How large what is drawn is: pairwise distinct sizes, so that a transposed or misdivided gradient shows."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from torchbasics.check.options import Options


@dataclass(frozen=True)
class Layout:
    """How a file lays out its arrays."""

    examples: str
    """"last" or "first"."""

    weights: str
    """"out, in" or "in, out"."""

    bias: str
    """"column", "row" or "vector"."""

    labels: str = "binary"
    """"binary", "one-hot" or "classes"."""


def layouts() -> Iterator[Layout]:
    """The layouts in the order in which they are tried."""
    for labels in ("binary", "one-hot", "classes"):
        yield Layout("last", "out, in", "column", labels)
        yield Layout("last", "in, out", "column", labels)
        yield Layout("first", "in, out", "vector", labels)
        yield Layout("first", "in, out", "row", labels)
        yield Layout("first", "out, in", "vector", labels)


def sizes(generator: np.random.Generator, options: Options, depth: int, layout: Layout) -> dict[str, int]:
    """Pairwise distinct sizes: m and n0, ..., nL first, everything else by name as it comes."""
    many = iter(int(n) for n in generator.permutation(np.arange(3, 12)))
    sizes = {"m": next(many)}
    if options.layers:
        sizes.update({f"n{layer}": n for layer, n in enumerate(options.layers)})
        while sizes["m"] in options.layers:
            sizes["m"] = next(many)
    else:
        sizes.update({f"n{layer}": next(many) for layer in range(depth)})
        sizes[f"n{depth}"] = 1 if layout.labels == "binary" else next(many)
    sizes["L"] = max(int(name[1:]) for name in sizes if re.fullmatch(r"n\d+", name))
    for name in ("n_a", "T", "n_y", "n_H", "n_W", "n_C_prev", "n_C", "n_c"):
        sizes[name] = next(many, 0) or int(generator.integers(12, 20))
    # Every step in time is a cell to be judged: the smallest number that nothing else in such a network has.
    beside = {n for name, n in sizes.items() if re.fullmatch(r"m|n\d+|n_[ayc]", name)}
    sizes["T"] = next(T for T in range(3, 20) if T not in beside)
    return sizes


def following(sizes: Mapping[str, int], shapes: Mapping[int, tuple[int, int]], layout: Layout) -> dict[str, int] | None:
    """The sizes with those of weights that are there already, by layer; None where these contradict the layout."""
    found: dict[str, int] = {}
    for layer, (rows, columns) in sorted(shapes.items()):
        lone = len(shapes) == 1 and columns == 1
        out, into = (rows, columns) if layout.weights == "out, in" and not lone else (columns, rows)
        if found.setdefault(f"n{layer - 1}", into) != into or found.setdefault(f"n{layer}", out) != out:
            return None
    if found and sorted(shapes) == list(range(1, len(shapes) + 1)):
        m = next(m for m in (sizes["m"], *range(3, 40)) if m not in found.values())
        return {**sizes, **found, "L": max(shapes), "m": m}
    return dict(sizes)


GATES = "fiucorzhg"
"""An LSTM's forget, input or update and output gates, its candidate c or g; a GRU's update u or z, reset r, c or h."""


def over_time(sizes: Mapping[str, int], keys: frozenset[str]) -> dict[str, tuple[int, ...]]:
    """The shapes in a network over time by name, where the keys that it reads are such a network's."""
    n_a, n_x, n_y, m = sizes["n_a"], sizes["n0"], sizes["n_y"], sizes["m"]
    shapes = {"Wax": (n_a, n_x), "Waa": (n_a, n_a), "Wya": (n_y, n_a), "ba": (n_a, 1), "by": (n_y, 1),
              "a0": (n_a, m), "Wxh": (n_a, n_x), "Whh": (n_a, n_a), "Why": (n_y, n_a), "bh": (n_a, 1)}  # fmt: skip
    if {"Wf", "Wo"} <= keys or ("Wr" in keys and keys & {"Wu", "Wz"}):
        gates = {f"W{gate}": (n_a, n_a + n_x) for gate in GATES} | {f"b{gate}": (n_a, 1) for gate in GATES}
        states = dict.fromkeys(("a_prev", "h_prev", "c_prev", "a0", "h0", "c0"), (n_a, m))
        shapes |= {**gates, **states, "Wy": (n_y, n_a), "xt": (n_x, m)}
    # b_h and b_y may be a network's of two layers.
    if not keys & (shapes.keys() - {"bh", "by"}):
        return {}
    return {"a_prev": (n_a, m), "xt": (n_x, m), **shapes}


def over_rows(sizes: Mapping[str, int], gates: int) -> dict[str, tuple[int, ...]]:
    """The same where examples are rows: x (N, T, D) Wx (D, gates H) + h Wh (H, gates H) + b, the gates side by side."""
    H, D, N = sizes["n_a"], sizes["n0"], sizes["m"]
    states = dict.fromkeys(("h0", "c0", "prev_h", "prev_c", "h_prev", "c_prev"), (N, H))
    return {"x": (N, sizes["T"], D), "Wx": (D, gates * H), "Wh": (H, gates * H), "b": (gates * H,), **states}
