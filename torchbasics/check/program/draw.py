"""Inputs drawn for a program: pairwise-distinct sizes, so that a transposed or misdivided gradient shows; no zeros."""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from torchbasics.check.options import Options
from torchbasics.check.program.find import Plan, returned_names
from torchbasics.check.program.run import DATA, LABELS, PARAMETERS
from torchbasics.check.program.source import Program
from torchbasics.check.program.tape import is_float, leaves
from torchbasics.check.program.wanted import Wanted
from torchbasics.errors import InputError, nearest

INITIALISER = re.compile(r"(initiali[sz]e|init)(_|$)", re.IGNORECASE)

SIZES = re.compile(r"(layers?_?(dims?|sizes)|dims|sizes|layers|n_units|architecture)", re.IGNORECASE)

SCALARS = {
    "lambd": 0.7, "lambda_": 0.7, "lam": 0.7, "reg": 0.7, "keep_prob": 0.8, "p": 0.8, "learning_rate": 0.1, "lr": 0.1,
    "alpha": 0.1, "eps": 1e-5, "epsilon": 1e-5, "momentum": 0.9, "beta1": 0.9, "beta2": 0.999, "slope": 0.1,
}  # fmt: skip

WHOLE = {"stride": 2, "pad": 1, "padding": 1, "f": 3, "kernel_size": 3, "pool_size": 2, "seed": 1, "axis": 0}


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
    return sizes


class Drawing:
    """Values for one layout."""

    def __init__(
        self,
        program: Program,
        plan: Plan,
        wanted: Wanted,
        layout: Layout,
        sizes: dict[str, int],
        generator: np.random.Generator,
        options: Options,
    ) -> None:
        self.program, self.plan, self.wanted = program, plan, wanted
        self.layout, self.sizes, self.generator, self.options = layout, sizes, generator, options

    def draw(self) -> Iterator[dict[str, Any]]:
        """One or two sets of inputs: a lone w may be (n, 1) with a scalar b, or (n_y, n) with a column."""
        initialised = self._initialised()
        before: list[tuple[int, ...]] | None = None
        for lone in ("column", "matrix"):
            drawn = dict(initialised)
            for name in self.wanted.arguments:
                value = self._argument(name, lone)
                if name not in drawn and value is not None:
                    drawn[name] = value
            unknown = sorted(set(self.options.shape) - self._names(drawn))
            if unknown:
                raise InputError(f"--shape {unknown[0]}: no such input; {nearest(unknown[0], self._names(drawn))}")
            shapes = [np.shape(value) for _, value in leaves(drawn)]
            if shapes != before:
                yield drawn
            before = shapes

    @staticmethod
    def _names(drawn: Mapping[str, Any]) -> set[str]:
        return {key for path, _ in leaves(dict(drawn)) for key in path if isinstance(key, str)}

    def _initialised(self) -> dict[str, Any]:
        """What the file's initialiser makes, with values of our own: its zeros and 0.01s would hide mistakes."""
        for name, node in self.program.functions.items():
            if not INITIALISER.match(name) or self.options.shape:
                continue
            arguments = {a.arg: self._size_argument(a.arg) for a in node.args.args}
            required = node.args.args[: len(node.args.args) - len(node.args.defaults)]
            if any(arguments[a.arg] is None for a in required):
                continue
            given = {n: v for n, v in arguments.items() if v is not None and n in {a.arg for a in required}}
            try:
                made = self.program.namespace[name](**given)
            except Exception:
                continue
            named = self._named_result(node, made)
            if named:
                return named
        return {}

    def _named_result(self, node: ast.FunctionDef, made: Any) -> dict[str, Any]:
        if isinstance(made, dict):
            holder = next((a for a in self.wanted.arguments if PARAMETERS.fullmatch(a)), None)
            made = {key: self._redrawn(key, value) for key, value in made.items()}
            return {holder: made} if holder else made
        names = returned_names(node)
        parts = made if isinstance(made, tuple) else (made,)
        return {n: self._redrawn(n, v) for n, v in zip(names, parts, strict=False) if n in self.wanted.arguments}

    def _redrawn(self, name: str, value: Any) -> Any:
        if not is_float(value) and not (isinstance(value, int) and not isinstance(value, bool)):
            return value
        return self._values(name, tuple(np.shape(value)))

    def _size_argument(self, name: str) -> Any:
        L, sizes = self.sizes["L"], self.sizes
        layers = [sizes[f"n{layer}"] for layer in range(L + 1)]
        if SIZES.fullmatch(name):
            return layers
        if re.fullmatch(r"n_?x|dim|n_?in|n_features|n|input_?(dim|size)|D|num_px", name):
            return layers[0]
        if re.fullmatch(r"n_?y|n_?out|output_?(dim|size)|C|n_classes", name):
            return layers[-1]
        if match := re.fullmatch(r"n_?h?_?(\d)", name):
            return sizes.get(f"n{match[1]}")
        if re.fullmatch(r"n_?h|n_?hidden|hidden_?(dim|size|units)?|H|M|K", name):
            return layers[1] if L > 1 else None
        if name in ("X", "Y", "x", "y"):
            return self._argument(name, "column")
        return None

    def _argument(self, name: str, lone: str) -> Any:
        if name in self.options.shape:
            return self._values(name, self.options.shape[name])
        keys = (*self.wanted.keys.get(name, ()), *self._numbered(name))
        if PARAMETERS.fullmatch(name):
            return {key: self._named(key, lone) for key in keys} if keys else None
        if re.fullmatch(r"h(yper)?_?param\w*|\w+_params?|config|cfg|hp", name):
            return {key: self._named(key, lone) for key in keys}
        return self._named(name, lone)

    def _numbered(self, holder: str) -> list[str]:
        layers = range(1, self.sizes["L"] + 1)
        return [f"{stem}{layer}" for layer in layers for stem in self.wanted.stems.get(holder, ())]

    def _named(self, name: str, lone: str) -> Any:
        if name in self.options.shape:
            return self._values(name, self.options.shape[name])
        if name in SCALARS:
            return SCALARS[name]
        if name in WHOLE:
            return WHOLE[name]
        if name == "mode":
            return "max"
        if name in ("L", "n_layers", "num_layers"):
            return self.sizes["L"]
        if LABELS.fullmatch(name):
            return self._labels()
        shape = self._shape(name, lone)
        return None if shape is None else self._values(name, shape)

    def _shape(self, name: str, lone: str) -> tuple[int, ...] | None:
        sizes, layout = self.sizes, self.layout
        n_a, n_x, n_y = sizes["n_a"], sizes["n0"], sizes["n_y"]
        recurrent = {"Wax": (n_a, n_x), "Waa": (n_a, n_a), "Wya": (n_y, n_a), "ba": (n_a, 1), "by": (n_y, 1),
                     "a0": (n_a, sizes["m"]), "Wxh": (n_a, n_x), "Whh": (n_a, n_a), "Why": (n_y, n_a),
                     "bh": (n_a, 1)}  # fmt: skip
        keys = {key for keys in self.wanted.keys.values() for key in keys}
        if {"Wf", "Wo"} <= keys:
            gates = {f"W{gate}": (n_a, n_a + n_x) for gate in "fiuco"} | {f"b{gate}": (n_a, 1) for gate in "fiuco"}
            states = dict.fromkeys(("a_prev", "c_prev", "a0", "c0"), (n_a, sizes["m"]))
            recurrent |= {**gates, **states, "Wy": (n_y, n_a), "xt": (n_x, sizes["m"])}
        if keys & recurrent.keys() and name in recurrent:
            return recurrent[name]
        if name in ("a_prev", "xt") and keys & recurrent.keys():
            return (n_a if name == "a_prev" else n_x, sizes["m"])
        if name in self.wanted.dimensions:
            unpacked = self.wanted.dimensions[name]
            if len(unpacked) > 2 or not DATA.fullmatch(name):
                return tuple(self._dimension(dimension) for dimension in unpacked)
        L = sizes["L"]
        if re.fullmatch(r"(A|a)_?prev|[Xx]", name) and re.search("conv|pool", self.plan.forward):
            return (sizes["m"], 6, 7, sizes["n_C_prev"])
        if DATA.fullmatch(name):
            return (sizes["n0"], sizes["m"]) if layout.examples == "last" else (sizes["m"], sizes["n0"])
        if match := re.fullmatch(r"[Ww]_?(\d*)", name):
            layer = int(match[1] or 1)
            if not match[1] and lone == "column":
                return (sizes["n0"], 1)
            out, into = sizes.get(f"n{layer}", 1), sizes.get(f"n{layer - 1}", 1)
            return (out, into) if layout.weights == "out, in" else (into, out)
        if match := re.fullmatch(r"(b|beta|gamma|bias)_?(\d*)", name):
            layer = int(match[2] or (L if match[1] in ("b", "bias") else 0))
            if match[1] in ("b", "bias") and not match[2] and lone == "column":
                return ()
            n = sizes.get(f"n{layer}", sizes["n0"])
            return {"column": (n, 1), "row": (1, n), "vector": (n,)}[layout.bias]
        return (sizes["n0"], 1) if re.fullmatch(r"theta", name) else None

    def _dimension(self, name: str) -> int:
        """A size by the name that the program gives it; 6 and 7 pixels, filters of 3."""
        if name == "_" or re.fullmatch(r"f|kh|kw|k|f_?[hHwW]|HH|WW", name):
            return 3
        if re.search(r"(_|^)[hH]($|_|eight)", name):
            return 6
        if re.search(r"(_|^)[wW]($|_|idth)", name):
            return 7
        match = re.fullmatch(r"n_?(x|\d)", name)
        if match:
            return self.sizes["n0"] if match[1] == "x" else self.sizes.get(f"n{match[1]}", 4)
        if re.fullmatch(r"m|N|batch(_size)?|n_examples", name):
            return self.sizes["m"]
        if name not in self.sizes:
            taken = set(self.sizes.values())
            self.sizes[name] = next(n for n in range(4, 40) if n not in taken)
        return self.sizes[name]

    def _labels(self) -> Any:
        n, m = self.sizes[f"n{self.sizes['L']}"], self.sizes["m"]
        if self.layout.labels == "classes":
            return self.generator.integers(n, size=m)
        if self.layout.labels == "one-hot":
            classes = self.generator.integers(n, size=m)
            Y = np.eye(n)[:, classes]
        else:
            Y = (self.generator.permutation(n * m).reshape(n, m) % 2).astype(float)
        return Y if self.layout.examples == "last" else np.ascontiguousarray(Y.T)

    def _values(self, name: str, shape: tuple[int, ...]) -> Any:
        """Weights near 1/sqrt(n_prev), biases and everything else of order 1, none of it zero or one."""
        values = self.generator.normal(size=shape)
        if re.match(r"gamma|sigma|scale", name):
            return 1 + 0.3 * values
        if len(shape) >= 2 and min(shape[:2]) > 1 and not DATA.fullmatch(name):
            return values / np.sqrt(np.prod(shape) / max(shape[0], shape[-1]))
        return 0.5 * values if not DATA.fullmatch(name) else values
