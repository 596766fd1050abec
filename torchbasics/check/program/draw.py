"""Inputs drawn for a program: pairwise-distinct sizes, so that a transposed or misdivided gradient shows; no zeros."""

import ast
import copy
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from torchbasics.check.options import Options
from torchbasics.check.program.attention import Attention
from torchbasics.check.program.find import Plan
from torchbasics.check.program.held import Use, is_list
from torchbasics.check.program.initialised import initialised, layer_shapes
from torchbasics.check.program.roles import Role, role
from torchbasics.check.program.run import DATA, LABELS
from torchbasics.check.program.sizes import Layout, following, over_rows, over_time
from torchbasics.check.program.source import Program
from torchbasics.check.program.tape import is_float, leaves
from torchbasics.check.program.wanted import Wanted
from torchbasics.errors import InputError, nearest

SIZES = re.compile(r"(layers?_?(dims?|sizes?)|dims|sizes|layers|n_units|architecture)", re.IGNORECASE)

HOLDERS = re.compile(r"\w*param\w*|theta|weights|biases|[wb]s?|model|net(work)?|nn|layers|config|cfg|hp", re.IGNORECASE)
"""Arguments that may be taken apart in the backward function alone."""

SCALARS = {
    "lambd": 0.7, "lambda_": 0.7, "Lambda": 0.7, "lam": 0.7, "reg": 0.7, "reg_lambda": 0.7, "lmbda": 0.7,
    "keep_prob": 0.8, "p": 0.8, "learning_rate": 0.1, "lr": 0.1, "eta": 0.1, "alpha": 0.1, "eps": 1e-5,
    "weight_decay": 0.7, "regularization": 0.7, "epsilon": 1e-5, "momentum": 0.9,
    "beta1": 0.9, "beta2": 0.999, "slope": 0.1,
}  # fmt: skip

WHOLE = {"stride": 2, "pad": 1, "padding": 1, "f": 3, "kernel_size": 3, "pool_size": 2, "seed": 1, "axis": 0}

CHANNELS = re.compile(r"C|C_?in|c_in|n_C_prev|(in_)?channels|D")

FILTERS = re.compile(r"F|n_?F|C_?out|c_out|out_channels|n(um)?_filters")

LONE = ("column", "matrix", "vector", "flat", "scalar")
"""What a lone w may be: (n, 1) with a scalar b, (n_y, n) with a column, (n,) with y (m,), (n,) with
y (m, 1), a number with x (m,)."""


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
        attention: Attention | None = None,
    ) -> None:
        self.program, self.plan, self.wanted, self.attention = program, plan, wanted, attention
        self.layout, self.sizes, self.generator, self.options = layout, sizes, generator, options
        self.lone = "column"
        self.first_is_none = False
        """Whether a list of layers has nothing at 0, so that W[l] is layer l's."""

        self.gates = 0
        """How many of them lie side by side in Wx and Wh; 1 for a simple recurrence, 0 for what is none."""

        self.lists = wanted.has_lists()
        self.given = {a.arg for a in program.functions[plan.forward].args.args}
        arrays = [name for name in wanted.arguments if not LABELS.fullmatch(name) and name not in SCALARS]
        self.is_loss = len(arrays) == 1 and DATA.fullmatch(arrays[0]) is not None
        """Whether x itself has a row or column for every class, as in softmax_loss(x, y)."""

        numbers = [r.number for name in wanted.names if (r := role(name)) and r.is_weight and r.number is not None]
        self.first = 0 if 0 in numbers else 1
        """The number of the first layer: W0 or W1."""

    def draw(self) -> Iterator[dict[str, Any]]:
        """Several sets of inputs, where names leave open what they are. None where the file's own initialiser makes
        weights that are laid out otherwise."""
        made = initialised(self.program, self.wanted, self._size_argument, self._redrawn)
        followed = following(self.sizes, layer_shapes(made, self.first), self.layout)
        if followed is None or (self.layout.labels == "binary") != (followed[f"n{followed['L']}"] == 1):
            return
        self.sizes = followed
        seen: list[list[tuple[int, ...]]] = []
        for way in self._ways(self.lists):
            self.lone, self.lists, self.first_is_none, self.gates = way
            drawn = dict(made)
            for name in self.wanted.arguments:
                value = None if name in drawn else self._argument(name)
                if value is not None:
                    drawn[name] = value
            unknown = sorted(set(self.options.shape) - self._names(drawn))
            if unknown:
                raise InputError(f"--shape {unknown[0]}: no such input; {nearest(unknown[0], self._names(drawn))}")
            shapes = [np.shape(value) for _, value in leaves(drawn)]
            if shapes not in seen:
                yield drawn
            seen.append(shapes)

    def _ways(self, lists: bool) -> Iterator[tuple[str, bool, bool, int]]:
        binary = self.layout.labels == "binary"
        if {"Wx", "Wh"} <= {*self.wanted.names} and self.layout.examples == "first":
            yield from (("matrix", False, False, gates) for gates in (1, 4, 3))
        if lists:
            yield "matrix", True, False, 0
            yield "matrix", True, True, 0
        for lone in LONE if binary else LONE[1:2]:
            if lone in ("column", "matrix") or (self.layout.examples, self.layout.weights) == ("first", "in, out"):
                yield lone, False, False, 0

    @staticmethod
    def _names(drawn: Mapping[str, Any]) -> set[str]:
        return {key for path, _ in leaves(dict(drawn)) for key in path if isinstance(key, str)}

    def _redrawn(self, name: str, value: Any) -> Any:
        if not is_float(value) and not (isinstance(value, int) and not isinstance(value, bool)):
            return value
        return self._values(name, self.options.shape.get(name, tuple(np.shape(value))))

    def _size_argument(self, name: str) -> Any:
        if self.attention is not None:
            return self.attention.value(name)
        L, sizes = self.sizes["L"], self.sizes
        layers = [sizes[f"n{layer}"] for layer in range(L + 1)]
        found = self._at_hand(name)
        if SIZES.fullmatch(name) and not (isinstance(found, list) and any(isinstance(part, dict) for part in found)):
            return layers
        if found is not None:
            return found
        if re.fullmatch(r"n_?x|dim|n_?in|n_features|n|input_?(dim|size)|D|num_px|n_inputs?", name):
            return layers[0]
        if re.fullmatch(r"n_?y|n_?out|output_?(dim|size)|C|n_classes|num_classes|n_outputs?", name):
            return layers[-1]
        if match := re.fullmatch(r"n_?h?_?(\d)", name):
            return sizes.get(f"n{match[1]}")
        if re.fullmatch(r"n_?h|n_?hidden|hidden_?(dim|size|units)?|H|M|K", name):
            return layers[1] if L > 1 else None
        if name in ("X", "Y", "x", "y"):
            return self._argument(name)
        return None

    def _argument(self, name: str) -> Any:
        if name in self.options.shape:
            return self._values(name, self.options.shape[name])
        use = self.wanted.uses.get(name, Use())
        # What the backward sweep takes apart may be the cache.
        if DATA.fullmatch(name) or LABELS.fullmatch(name) or (name not in self.given and not HOLDERS.fullmatch(name)):
            use = Use()
        found = self._at_hand(name)
        return self._held(name, use, None) if found is None else found

    def _held(self, name: str, use: Use, layer: int | None) -> Any:
        """What a program takes apart as `use` says; of one layer, or of all of them."""
        if self.attention is not None and (value := self._attended(name)) is not None:
            return value
        if use.parts and not use.is_array:
            values = tuple(self._held(part, inner, layer) for part, inner in use.parts)
            return None if any(value is None for value in values) else values
        if self.lists and is_list(name, use):
            assert use.element is not None
            layers = [self._held(name, use.element, number) for number in range(1, self.sizes["L"] + 1)]
            return None if any(value is None for value in layers) else [None, *layers] if self.first_is_none else layers
        if use.keys or use.stems:
            held = {key: self._held(key, inner, layer) for key, inner in use.keys.items()}
            for number in range(self.first, self.first + self.sizes["L"]):
                of = number + 1 - self.first
                for stem, inner in use.stems.items():
                    nested = self._held(stem, inner, of) if inner.is_container else self._named(f"{stem}{number}")
                    held.setdefault(f"{stem}{number}", nested)
            return {key: value for key, value in held.items() if value is not None} or None
        return self._named(name, layer)

    def _attended(self, name: str) -> Any:
        assert self.attention is not None
        if name in self.options.shape:
            return self._values(name, self.options.shape[name])
        return SCALARS.get(name, self.attention.value(name))

    def _at_hand(self, name: str) -> Any:
        """What the file itself has under that name, such as its nn_architecture; arrays are its data of before."""
        found = self.program.namespace.get(name, self.program.namespace.get(name.upper()))
        if not found or not isinstance(found, list | dict) or any(is_float(value) for _, value in leaves(found)):
            return None
        return copy.deepcopy(found)

    def missed(self, key: str) -> Any:
        """The value for a key that a run has asked for."""
        self.lone = "matrix"
        return self._named(key)

    def _named(self, name: str, layer: int | None = None) -> Any:
        if name in self.options.shape:
            return self._values(name, self.options.shape[name])
        if name in SCALARS:
            return SCALARS[name]
        if name in WHOLE:
            return WHOLE[name]
        if name == "mode":
            return self._mode()
        if name in ("L", "n_layers", "num_layers"):
            return self.sizes["L"]
        if LABELS.fullmatch(name):
            return self._labels()
        shape = self._shape(name, layer)
        if shape is None:
            return self._size_argument(name) if SIZES.fullmatch(name) else None
        return self._values(name, shape)

    def _mode(self) -> str:
        """The first that the file compares a mode with."""
        for node in ast.walk(self.program.tree):
            match node:
                case ast.Compare(left=left, comparators=[ast.Constant(value=str(mode))]):
                    if "mode" in ast.unparse(left):
                        return mode
        return "max"

    def _shape(self, name: str, layer: int | None) -> tuple[int, ...] | None:
        sizes, layout = self.sizes, self.layout
        recurrent = over_rows(sizes, self.gates) if self.gates else over_time(sizes, self.wanted.keys)
        if name in recurrent:
            return recurrent[name]
        if name in self.wanted.dimensions:
            unpacked = self.wanted.dimensions[name]
            if len(unpacked) > 2 or (not DATA.fullmatch(name) and role(name) is None):
                return self._unpacked(name, unpacked)
        if re.fullmatch(r"(A|a)_?prev|[Xx]", name) and re.search("conv|pool", self.plan.forward):
            return (sizes["m"], 6, 7, sizes["n_C_prev"])
        if DATA.fullmatch(name):
            if self.lone == "scalar":
                return (sizes["m"],)
            return (sizes["n0"], sizes["m"]) if layout.examples == "last" else (sizes["m"], sizes["n0"])
        if match := re.fullmatch(r"(beta|gamma)_?(\d*)", name):
            return self._bias(sizes.get(f"n{int(match[2] or 0)}", sizes["n0"]))
        known = role(name)
        if known is None:
            return None
        if known.is_lone and not known.is_weight and (filters := self._filters()):
            return filters
        shape = self._weight_or_bias(known, layer)
        if re.match(r"[Tt]heta_?\d", name) and self.wanted.adds_ones and shape is not None and len(shape) == 2:
            # The bias is a column of it, and ones are put beside X.
            return (shape[0], shape[1] + 1) if self.layout.weights == "out, in" else (shape[0] + 1, shape[1])
        return shape

    def _filters(self) -> tuple[int, ...] | None:
        """The shape of a convolution's b, where W's four sizes have names."""
        for name, dimensions in self.wanted.dimensions.items():
            known = role(name)
            if known is not None and known.is_weight and len(dimensions) == 4:
                named = [dimension for dimension in dimensions if FILTERS.fullmatch(dimension)]
                return (self._dimension(named[0]),) if named else None
        return None

    def _unpacked(self, name: str, dimensions: tuple[str, ...]) -> tuple[int, ...]:
        """A shape by the names that the program gives its sizes."""
        channels = next(
            (d for ds in self.wanted.dimensions.values() if len(ds) == 4 for d in ds if CHANNELS.fullmatch(d)), ""
        )
        known = {"_": channels} if len(dimensions) == 4 and channels and channels not in dimensions else {}
        return tuple(self._dimension(known.get(dimension, dimension)) for dimension in dimensions)

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
        if re.fullmatch(r"T_?[xy]?|seq_?len(gth)?|n_?steps", name):
            return self.sizes["T"]
        if name not in self.sizes:
            taken = set(self.sizes.values())
            self.sizes[name] = next(n for n in range(4, 40) if n not in taken)
        return self.sizes[name]

    def _weight_or_bias(self, known: Role, layer: int | None) -> tuple[int, ...] | None:
        sizes, L = self.sizes, self.sizes["L"]
        if known.word:
            layer = 1 if known.word == "hidden" else L
        elif known.number is not None:
            layer = known.number + 1 - self.first
        if layer is None and self.lone != "matrix":
            if not known.is_weight:
                return ()
            return {"column": (sizes["n0"], 1), "vector": (sizes["n0"],), "flat": (sizes["n0"],), "scalar": ()}[
                self.lone
            ]
        if layer is not None and not 1 <= layer <= L:
            return None
        if not known.is_weight:
            return self._bias(sizes[f"n{layer or L}"])
        out, into = sizes[f"n{layer or 1}"], sizes[f"n{(layer or 1) - 1}"]
        return (out, into) if self.layout.weights == "out, in" else (into, out)

    def _bias(self, n: int) -> tuple[int, ...]:
        return {"column": (n, 1), "row": (1, n), "vector": (n,)}[self.layout.bias]

    def _labels(self) -> Any:
        n, m = self.sizes["n0" if self.is_loss else f"n{self.sizes['L']}"], self.sizes["m"]
        if self.layout.labels == "classes":
            return self.generator.integers(n, size=m)
        if self.layout.labels == "one-hot":
            classes = self.generator.integers(n, size=m)
            Y = np.eye(n)[:, classes]
        else:
            Y = (self.generator.permutation(n * m).reshape(n, m) % 2).astype(float)
        if self.lone in ("vector", "scalar"):
            return Y.reshape(-1)
        return Y if self.layout.examples == "last" else np.ascontiguousarray(Y.T)

    def _values(self, name: str, shape: tuple[int, ...]) -> Any:
        """Weights near 1/sqrt(n_prev), biases and everything else of order 1, none of it zero or one."""
        values = self.generator.normal(size=shape)
        if re.match(r"gamma|sigma|scale", name):
            return 1 + 0.3 * values
        if len(shape) >= 2 and min(shape[:2]) > 1 and not DATA.fullmatch(name):
            return values / np.sqrt(np.prod(shape) / max(shape[0], shape[-1]))
        return 0.5 * values if not DATA.fullmatch(name) else values
