"""Products over a batch, or with a scale: attention's scores Q K^T / sqrt(d), its P V, X W at every position.

Legend: Q = s times the product of P and R, and a bias; i, j, k are the rows, columns and the summed axis as `np.einsum`
has them, n and h the axes that all of them share. "nik,njk->nij" is P R^T for every n.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np

from torchbasics.check.diagnosis.edges import Edge, Slip, agree, bracketed, coefficient, transposed
from torchbasics.check.step import Array

# Of the output, and of two factors of it; where a factor lacks the shared axes, it is the same for all: a weight.
FORMS: dict[int, tuple[tuple[str, str, str], ...]] = {
    2: tuple(("ij", P, R) for P in ("ik", "ki") for R in ("kj", "jk")),
    3: (
        *(("nij", P, R) for P in ("nik", "nki") for R in ("nkj", "njk", "kj", "jk")),
        *(("ijn", P, R) for P in ("ikn", "kin", "ik", "ki") for R in ("kjn", "jkn")),
    ),
    4: tuple(("nhij", P, R) for P in ("nhik", "nhki") for R in ("nhkj", "nhjk", "kj", "jk")),
}
FEWEST = 4
"""With a scale of its own every product fits a single number."""

SLACK = 100
"""A scale is found from rounded arrays, and rounds itself."""


@dataclass(frozen=True)
class Product:
    """Q = s P R + b."""

    label: str
    form: tuple[str, str, str]
    names: tuple[str, str]
    factors: tuple[Array, Array]
    s: float
    summed: int
    """The length of the axis that is summed over."""

    bias: str = ""


def recognised(
    label: str, Q: Array, values: Mapping[str, Array], of: str, rounding: float
) -> Iterator[tuple[Product, Array | None]]:
    """The products that give Q, those with `of` first, and their bias."""
    if Q.size < FEWEST:
        return
    order = sorted((name for name, value in values.items() if value.ndim > 1), key=lambda name: name != of)
    for form in FORMS.get(Q.ndim, ()):
        fitting = [[name for name in order if _sizes((form[0], factor), Q, values[name])] for factor in form[1:]]
        for left, right in product(*fitting):
            P, R = values[left], values[right]
            sizes = _sizes(form, Q, P, R) if left != right else None
            if sizes is None or sizes["k"] == 1:
                continue
            # One example, or two rows, tell most pairs apart before the whole product is formed.
            if not _alike(*_first(form, Q, P, R), rounding) and form[2] not in ("kj", "jk"):
                continue
            whole = _multiply(form[1], form[2], form[0], P, R)
            s = coefficient(Q, whole)
            if s and agree(Q, s * whole, SLACK * rounding) and (Q.ndim > 2 or abs(s - 1) > 1e-6):
                exact = 1.0 if abs(s - 1) < 1e-9 else s
                yield Product(label, form, (left, right), (P, R), exact, sizes["k"]), None
            elif form[0] == "nij" and form[2] in ("kj", "jk"):
                rest = (Q - whole).reshape(-1, Q.shape[-1])
                for name, bias in values.items():
                    if bias.size == Q.shape[-1] and agree(rest, 0 * rest + bias.reshape(-1), rounding, np.abs(Q).max()):
                        yield Product(label, form, (left, right), (P, R), 1.0, sizes["k"], name), bias


def _sizes(form: tuple[str, ...], *arrays: Array) -> dict[str, int] | None:
    """The length of each axis; None where the arrays don't fit together."""
    sizes: dict[str, int] = {}
    for letters, array in zip(form, arrays, strict=True):
        if len(letters) != array.ndim:
            return None
        for letter, size in zip(letters, array.shape, strict=True):
            if sizes.setdefault(letter, size) != size:
                return None
    return sizes


def _multiply(left: str, right: str, out: str, P: Array, R: Array) -> Array:
    return np.asarray(np.einsum(f"{left},{right}->{out}", P, R))


def _first(form: tuple[str, str, str], Q: Array, P: Array, R: Array) -> tuple[Array, Array]:
    """Of Q and of the product the first example, or two rows."""
    by, first = ("n", [0]) if "n" in form[0] else ("i", [0, 1])
    at = [array.take(first[: array.shape[letters.index(by)]], letters.index(by)) if by in letters else array
          for letters, array in zip(form, (Q, P, R), strict=True)]  # fmt: skip
    return at[0], _multiply(form[1], form[2], form[0], at[1], at[2])


def _alike(a: Array, b: Array, rounding: float) -> bool:
    return agree(a, coefficient(a, b) * b, SLACK * rounding)


def bias_edge(label: str, name: str, bias: Array) -> Edge:
    """The edge to a bias: what G gives at all examples and positions, added up."""

    def pull(G: Array) -> Array:
        return np.asarray(G.reshape(-1, G.shape[-1]).sum(axis=0).reshape(bias.shape))

    return Edge(label, name, "bias", pull, lambda G: f"sum over the examples of {G}")


class ProductEdges:
    """The edges into Q; `others` are all arrays that a learner might take for another, `gradients` the user's."""

    def __init__(self, product: Product, others: Mapping[str, Array], gradients: Mapping[str, Array]) -> None:
        self.product, self.others, self.gradients = product, others, gradients

    def edges(self) -> Iterator[Edge]:
        """To both factors."""
        for side in (0, 1):
            shared = self._is_shared(side)
            yield Edge(
                self.product.label,
                self.product.names[side],
                "weight" if shared else "input",
                lambda G, side=side: self.pull(side, G),  # type: ignore[misc]
                lambda G, side=side: self.formula(side, G),  # type: ignore[misc]
                lambda side=side: self.slips(side),  # type: ignore[misc]
            )

    def _is_shared(self, side: int) -> bool:
        """Whether it is one matrix for all, as a weight is."""
        form = self.product.form
        return len(form[1 + side]) < len(form[0])

    def pull(self, side: int, G: Array, other: Array | None = None, s: float | None = None) -> Array:
        """The gradient of one factor: s times the product of G and the other, summed over what it lacks."""
        product = self.product
        R = product.factors[1 - side] if other is None else other
        s = product.s if s is None else s
        return s * _multiply(product.form[0], product.form[2 - side], product.form[1 + side], G, R)

    def formula(self, side: int, G: str) -> str:
        """In the notes' symbols: dS K / sqrt(d)."""
        product = self.product
        both = (product.form[1 + side], product.form[2 - side])
        own, other = ([letter for letter in letters if letter in "ijk"] for letters in both)
        free = "i" if side == 0 else "j"
        R = product.names[1 - side]
        if own[0] == free:
            text = f"{transposed(G, free == 'j')} {transposed(R, other[0] == 'k')}"
        else:
            text = f"{transposed(R, other[0] != 'k')} {transposed(G, free == 'i')}"
        over = "sum over the examples of " if self._is_shared(side) else ""
        return f"{over}{text}{self.scale_text()}"

    def scale_text(self) -> str:
        """The scale as a factor at the end of a formula."""
        s, summed = self.product.s, self.product.summed
        if s == 1:
            return ""
        return f" / sqrt({summed})" if abs(s * summed**0.5 - 1) < 1e-6 else f" * {s:.6g}"

    def slips(self, side: int) -> Iterator[Slip]:
        """The scale, the operands, the transposes."""
        product = self.product
        names, form = product.names, product.form
        own, R = product.factors[side], product.factors[1 - side]
        if product.s != 1:
            id, scale = "attention_scale_missing", self.scale_text().strip()
            yield Slip(id, f"{scale} is left out of {{formula}}", lambda G: self.pull(side, G, s=1.0))
            yield Slip(id, f"{scale} is there twice: {{formula}}", lambda G: self.pull(side, G, s=product.s**2))
            wrong_way = f"{scale} is the wrong way round: {{formula}}"
            yield Slip(id, wrong_way, lambda G: self.pull(side, G, s=1 / product.s))
            for size in sorted({size for value in self.others.values() for size in value.shape} - {1, product.summed}):
                text = f"/ sqrt({size}) stands for {scale} in {{formula}}"
                yield Slip(id, text, lambda G, size=size: self.pull(side, G, s=size**-0.5))  # type: ignore[misc]
        for name, value in (*self.gradients.items(), *self.others.items()):
            if name in names or value.shape != R.shape:
                continue
            id = "A_for_A_prev" if self._is_shared(side) else "wrong_operand"
            id = "dW_for_W" if name == f"d{names[1 - side]}" else id
            text = f"{name} stands where {{formula}} has {names[1 - side]}"
            yield Slip(id, text, lambda G, value=value: self.pull(side, G, value))  # type: ignore[misc]
        twice = f"{names[side]} itself stands where {{formula}} has {names[1 - side]}"
        if own.shape == R.shape:
            yield Slip("wrong_operand", twice, lambda G: self.pull(side, G, own))
        right_dR = f"d{names[1 - side]} stands where {{formula}} has {names[1 - side]}"
        yield Slip("dW_for_W", right_dR, lambda G: self.pull(side, G, self.pull(1 - side, G)))
        for name, value in self.others.items():
            if value.shape == self._shape():
                text = f"{name} stands where {{formula}} has d{product.label}"
                yield Slip("wrong_operand", text, lambda G, value=value: self.pull(side, value))  # type: ignore[misc]
        for which, letters in ((f"d{product.label}", form[0]), (names[1 - side], form[2 - side])):
            turned = _turned(letters)

            def flipped(G: Array, letters: str = letters, turned: str = turned) -> Array:
                subscripts = {form[0]: form[0], form[2 - side]: form[2 - side]} | {letters: turned}
                value = _multiply(subscripts[form[0]], subscripts[form[2 - side]], form[1 + side], G, R)
                return np.asarray(product.s * value)

            text = f"a transpose of {bracketed(which)} is missing or too many: {{formula}}"
            yield Slip("transpose_missing", text, flipped)

    def _shape(self) -> tuple[int, ...]:
        sizes = _sizes(self.product.form[1:], *self.product.factors)
        assert sizes is not None
        return tuple(sizes[letter] for letter in self.product.form[0])


def _turned(letters: str) -> str:
    """The subscripts with rows and columns exchanged."""
    rows, columns = (letter for letter in letters if letter in "ijk")
    return letters.translate(str.maketrans(rows + columns, columns + rows))
