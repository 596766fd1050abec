"""What an attention is given, by name: queries, keys and values or what they are made from, weights, heads, a mask.

    N, T, S, d, dv, D    examples, queries, keys, features of Q and K, of V, of X
    Q (N, T, d), K (N, S, d), V (N, S, dv), X (N, T, D), Wq (D, d), Wv (D, dv), Wo (dv, n); without N for one example,
    with heads after N; or the features first and the examples last

A file doesn't say which of these it takes. They are tried in turn, the most distinct sizes first: where all are equal,
a transpose or K for Q does not show.
"""

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from torchbasics.check.program.find import Plan
from torchbasics.check.program.run import DATA, LABELS
from torchbasics.check.program.source import Program
from torchbasics.check.program.wanted import Wanted

_PARTS = {"q": "q", "query": "q", "queries": "q", "k": "k", "key": "k", "keys": "k", "v": "v", "value": "v",
          "values": "v", "o": "o", "out": "o", "output": "o", "qkv": "qkv"}  # fmt: skip
_NAME = re.compile(rf"(?P<of>w|weights?|b|bias|x)?(?P<part>{'|'.join(_PARTS)})s?")
_HEADS = re.compile(r"(n|num|number_of)?_?(h|heads?)|nhead", re.IGNORECASE)
_MASK = re.compile(r"(\w+_)?mask|visible", re.IGNORECASE)
_SIZES = {
    "d": r"d_?(k|q|head|h|qk)|head_?dim|d",
    "dv": r"d_?v",
    "D": r"d_?model|d_?in|n_?x|embed(ding)?_?(dim|size)|D",
    "T": r"T(_?[xq])?|seq_?len(gth)?|n_?steps|L",
    "n": r"d_?out|n_?out|n_?y",
    "N": r"N|B|m|batch(_size)?",
}
HEADS = 2


@dataclass(frozen=True)
class Way:
    """One layout of all arrays."""

    axes: int
    """Of Q or X: 2 for one example, 3, or 4 with heads."""

    sizes: str
    """"distinct"; "self", where there are as many keys as queries; "square", where the features are as many, too."""

    examples: str = "first"
    """Or "last": features, positions, examples."""

    weights: str = "in, out"
    """Or "out, in"."""


def ways(program: Program, plan: Plan, asked: Wanted) -> Iterator[Way]:
    """The ways to try, likeliest first; none where the names are not an attention's."""
    parts = {found for name in (*asked.names, *asked.keys) if (found := _part(name))}
    if not any({(of, "q"), (of, "k"), (of, "v")} <= parts for of in ("", "w")) and ("w", "qkv") not in parts:
        return
    known = [len(d) for name, d in asked.dimensions.items() if _part(name) == ("", "q") or DATA.fullmatch(name)]
    axes = sorted((3, 2, 4), key=lambda n: n not in known)
    for weights in ("in, out", "out, in"):
        yield from (Way(n, sizes, "first", weights) for n in axes for sizes in ("distinct", "self", "square"))
    yield from (Way(n, sizes, "last", "out, in") for n in (2, 3) for sizes in ("distinct", "self", "square"))


def _part(name: str) -> tuple[str, str] | None:
    """("w", "q") for Wq, W_Q, weights_query; ("", "k") for K, keys; None for everything else."""
    found = _NAME.fullmatch(name.replace("_", "").lower())
    if found is None:
        return None
    of = (found["of"] or "")[:1]
    return ("" if of == "x" else of), _PARTS[found["part"]]


@dataclass
class Attention:
    """Values for one way."""

    way: Way
    program: Program
    plan: Plan
    asked: Wanted
    generator: np.random.Generator
    sizes: dict[str, int] = field(default_factory=dict)
    heads: int = 1

    def __post_init__(self) -> None:
        names = ("N", "T", "S", "d", "dv", "D", "n")
        self.sizes = dict(zip(names, (int(n) for n in self.generator.permutation(np.arange(3, 10))), strict=True))
        arguments = [*self._defaults(), *((name, HEADS) for name in self.asked.names if _HEADS.fullmatch(name))]
        per_head = any(self._has_heads(name) for name in self.asked.names)
        self.heads = next((number for _, number in arguments), HEADS if per_head or self.way.axes == 4 else 1)
        sizes, heads = self.sizes, self.heads
        if self.way.sizes != "distinct":
            sizes["S"] = sizes["T"]
        if self.way.sizes == "square":
            sizes["d"] = sizes["dv"] = max(2, sizes["d"] // heads)
            sizes["D"] = sizes["n"] = sizes["d"] * heads

    def value(self, name: str) -> Any:
        """What is drawn for that name; None where it is no attention's."""
        sizes = self.sizes
        if _HEADS.fullmatch(name):
            return self.heads
        if _MASK.fullmatch(name):
            # Whether 1 stands for visible or for hidden: every query sees something, and something is hidden from it.
            seen = np.argsort(self.generator.normal(size=(sizes["T"], sizes["S"])), axis=1) % 2 == 0
            return seen if self.way.examples == "first" else seen.T
        if name in ("causal", "is_causal"):
            return True
        shape = self.shape(name)
        if shape is None:
            return next((sizes[size] for size, pattern in _SIZES.items() if re.fullmatch(pattern, name)), None)
        values = self.generator.normal(size=shape)
        part = _part(name)
        if part and part[0] == "w":
            return values / np.sqrt(shape[-2] if self.way.weights == "in, out" else shape[-1])
        return 0.5 * values if part and part[0] == "b" else values

    def shape(self, name: str) -> tuple[int, ...] | None:
        """Of an array by its name."""
        sizes, part = self.sizes, _part(name)
        if LABELS.fullmatch(name):
            if any(_part(other) == ("w", "o") for other in self._names()):
                return self._positions("T", sizes["n"])
            return self._positions("T", sizes["dv"] * (self.heads if self._weights() else 1))
        if DATA.fullmatch(name):
            return self._positions("T", sizes["D"])
        if part is None:
            return None
        of, what = part
        if of == "":
            own = "T" if what == "q" else "S"
            if what not in "qkv":
                return None
            # What is multiplied by weights of its own has the features of X.
            return self._positions(own, sizes["D"] if self._weights() else sizes["dv" if what == "v" else "d"])
        heads = 1 if self._has_heads(name) else self.heads
        inside = {"q": sizes["d"], "k": sizes["d"], "v": sizes["dv"], "qkv": 3 * sizes["d"], "o": sizes["n"]}[what]
        out = inside if what == "o" else inside * heads
        into = sizes["dv"] * self.heads if what == "o" else sizes["D"]
        if of == "b":
            return (out,) if self.way.examples == "first" else (out, 1)
        matrix = (into, out) if self.way.weights == "in, out" else (out, into)
        return (self.heads, *matrix) if self._has_heads(name) else matrix

    def _positions(self, positions: str, features: int) -> tuple[int, ...]:
        length, N = self.sizes[positions], self.sizes["N"]
        if self.way.examples == "last":
            return (features, length, N)[: self.way.axes]
        heads = (self.heads,) if self.way.axes == 4 else ()
        return (N, *heads, length, features)[-self.way.axes :]

    def _names(self) -> Iterable[str]:
        return (*self.asked.names, *self.asked.keys)

    def _weights(self) -> bool:
        """Whether Q, K and V are made with weights."""
        return any(_part(name) in (("w", "q"), ("w", "qkv")) for name in self._names())

    def _has_heads(self, name: str) -> bool:
        """Whether a weight is one for each head: Wq[h]."""
        part = _part(name)
        if part is None or part[0] != "w" or part[1] == "o":
            return False
        if name in self.asked.dimensions:
            return len(self.asked.dimensions[name]) == 3
        uses = [self.asked.uses.get(name), *(use.keys.get(name) for use in self.asked.uses.values())]
        return any(use is not None and use.element is not None for use in uses)

    def _defaults(self) -> Iterator[tuple[str, int]]:
        """The numbers of heads that are there already: n_heads=2."""
        for function in self.plan.called:
            arguments = self.program.functions[function].args
            names = [a.arg for a in arguments.args[len(arguments.args) - len(arguments.defaults) :]]
            for name, default in zip(names, arguments.defaults, strict=True):
                if _HEADS.fullmatch(name) and isinstance(default, ast.Constant) and isinstance(default.value, int):
                    yield name, default.value
