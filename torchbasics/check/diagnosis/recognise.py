"""From arrays to a graph: how each named quantity was computed from those before it, by values, never by source."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice

import numpy as np

from torchbasics.check.diagnosis import convolution, generic, linear, lookup, loss, pooling, products, recurrence
from torchbasics.check.diagnosis.activation import elementwise
from torchbasics.check.diagnosis.activation import recognised as activation_of
from torchbasics.check.diagnosis.arithmetic import Arithmetic, multiple
from torchbasics.check.diagnosis.edges import Edge, agree
from torchbasics.check.diagnosis.linear import Linear, LinearEdges
from torchbasics.check.diagnosis.normalisation import affine, normalisation_edge
from torchbasics.check.diagnosis.normalisation import recognised as normalised
from torchbasics.check.diagnosis.outputs import Outputs
from torchbasics.check.diagnosis.regularisation import dropout_edge
from torchbasics.check.diagnosis.regularisation import recognised as dropped
from torchbasics.check.step import Array, Step

# Pairs of factors that are tried where the sum that an activation is applied to has no name.
UNNAMED = 200


class Graph(Outputs):
    """The edges of one step's forward sweep, found as they are asked for."""

    def __init__(self, step: Step) -> None:
        super().__init__(step)
        self._known: dict[str, list[Edge]] = {}
        self._leaves = self.leaves()

    def edges(self, label: str) -> list[Edge]:
        """The edges into a quantity."""
        if label in self.synthetic:
            return self.synthetic[label]
        if label not in self._known:
            self._known[label] = [] if label not in self.values else list(self._edges(label))
        return self._known[label]

    def _edges(self, label: str) -> Iterator[Edge]:
        Q, values = self.values[label], self.before(label)
        if self.order[label] <= self.order.get(self.step.of, -1) or not self.depends(label):
            return
        if Q.ndim == 0:
            # Numbers of a loop over entries: there is nothing to tell one product of theirs from another.
            yield from self._generic(label, Q, values)
            return
        for find in (
            self._linear,
            self._product,
            self._activation,
            self._normalisation_of,
            self._moved,
            self._arithmetic,
            self._normalisation,
            self._affine_normalisation,
            self._window,
            self._unnamed,
            self._recurrence,
            self._generic,
        ):
            edges = find(label, Q, values)
            if edges:
                yield from edges
                return

    def _linear(self, label: str, Q: Array, values: Mapping[str, Array]) -> list[Edge]:
        values = self.with_slices(Q, values)
        found = list(islice(linear.recognised(label, Q, values, self.step.m, self.step.rounding), 4))
        found.sort(key=lambda one: self.step.of not in (one.W.label, one.A.label, one.b))
        return self.linear_edges(found[0]) if found else []

    def linear_edges(self, found: Linear) -> list[Edge]:
        """The edges of one linear step."""
        step = self.step
        return list(LinearEdges(found, self.everything, step.backward, step.m, 1 / step.convention).edges())

    def _product(self, label: str, Q: Array, values: Mapping[str, Array]) -> list[Edge]:
        values = self.with_slices(Q, values)
        for found, bias in products.recognised(label, Q, values, self.step.of, self.step.rounding):
            edges = list(products.ProductEdges(found, {**self.everything, **values}, self.step.backward).edges())
            return [*edges, products.bias_edge(label, found.bias, bias)] if bias is not None else edges
        return []

    def _activation(self, label: str, Q: Array, values: Mapping[str, Array]) -> list[Edge]:
        step = self.step
        # Softmax of shifted values is softmax of the values: of two that give Q, the one that has a gradient counts.
        first = sorted(values, key=lambda key: (key != step.of, not self.claimed(key), -self.order[key]))
        same = {key: values[key] for key in first if values[key].shape == Q.shape and Q.size > 0}
        for name, Z in same.items():
            g = activation_of(Z, Q, step.rounding)
            if g is not None:
                relatives = {
                    k: v
                    for k, v in self.values.items()
                    if v.shape == Z.shape and k not in (name, label) and not np.isin(v, (0, 1)).all()
                }
                return [self.output(elementwise(g, Z, Q, (name, label), relatives), g, Z)]
        for name, H in same.items():
            for mask in dropped(H, Q, self.everything, step.rounding):
                return [dropout_edge(name, label, mask, step.scalars)]
        for name, Z in same.items():
            for axis in range(Q.ndim):
                if Q.shape[axis] > 1 and agree(loss.softmax(Z, axis), Q, step.rounding):
                    return [self.softmax(name, label, Z, Q, axis)]
        return []

    def _normalisation_of(self, label: str, Q: Array, values: Mapping[str, Array]) -> list[Edge]:
        """From `of` to its normalised values in one step, whatever between them has a name."""
        of = {self.step.of: values[self.step.of]} if self.step.of in values else {}
        return self._normalisation(label, Q, of)

    def _normalisation(self, label: str, Q: Array, values: Mapping[str, Array]) -> list[Edge]:
        rounding = self.step.rounding
        for name, x in reversed(list(values.items())):
            found = normalised(x, Q, rounding)
            if found is not None:
                return [normalisation_edge(name, label, found)]
        return []

    def _affine_normalisation(self, label: str, Q: Array, values: Mapping[str, Array]) -> list[Edge]:
        """Q = gamma x_hat + beta with an x_hat that has no name."""
        rounding = self.step.rounding
        for name in reversed(list(values)):
            found = affine(values[name], Q, values, rounding) if values[name].shape == Q.shape else None
            if found is not None:
                normalised_x, gamma, beta = found
                hat = f"{name}_hat"
                self.synthetic[hat] = [normalisation_edge(name, hat, normalised_x)]
                operands = {hat: normalised_x.x_hat, gamma: values[gamma], beta: values[beta]}
                return Arithmetic(label, Q, operands, rounding).edges()
        return []

    def _moved(self, label: str, Q: Array, values: Mapping[str, Array]) -> list[Edge]:
        edge = (
            lookup.moved(label, Q, values)
            or lookup.padded(label, Q, values)
            or lookup.looked_up(label, Q, values, self.everything, self.step.rounding)
        )
        return [edge] if edge else lookup.stacked(label, Q, values) or lookup.concatenated(label, Q, values)

    def _arithmetic(self, label: str, Q: Array, values: Mapping[str, Array]) -> list[Edge]:
        if Q.size < 2:
            return []
        times = multiple(label, Q, values, self.step.rounding)
        return [times] if times else Arithmetic(label, Q, values, self.step.rounding).edges()

    def _window(self, label: str, Q: Array, values: Mapping[str, Array]) -> list[Edge]:
        if Q.ndim < 3:
            return []
        one = convolution.of_one_example(label, Q, self.step.of, values, self.step.rounding)
        if one is not None:
            return [one]
        convolutions = list(islice(convolution.recognised(Q, values, self.step.rounding), 4))
        convolutions.sort(key=lambda found: self.step.of not in found[2:])
        if convolutions:
            return list(convolution.edges(label, convolutions[0], values))
        of = {self.step.of: values[self.step.of]} if self.step.of in values else {}
        for pool in pooling.recognised(Q, {**of, **dict(reversed(list(values.items())))}, self.step.rounding):
            return [pooling.pool_edge(label, self._tied(label, Q, pool))]
        return []

    def _tied(self, label: str, Q: Array, found: pooling.Found) -> pooling.Found:
        """The pool with ties shared out as the checker's derivative has them."""
        pool, layout, X = found
        split = replace(pool, split=True)
        ones = np.ones_like(Q)
        slope = self.step.vjp(label, X, ones) if X in self.step.forward else None
        if slope is not None and pool.maximum and agree(slope, pooling.pull(split, layout, ones), self.step.rounding):
            return split, layout, X
        return found

    def _unnamed(self, label: str, Q: Array, values: Mapping[str, Array]) -> list[Edge]:
        """A = g(W A_prev + b) with a Z that has no name."""
        if Q.ndim not in (1, 2) or Q.size < 2:
            return []
        shape = linear.as_matrix(Q).shape
        for P, R in islice(linear.products((shape[0], shape[1]), values), UNNAMED):
            product = P.canonical @ R.canonical
            for b, bias in (("", np.zeros(1)), *values.items()):
                Z = self._sum(product, bias)
                g = (
                    None
                    if Z is None or b in (P.label, R.label)
                    else activation_of(Z.reshape(Q.shape), Q, self.step.rounding)
                )
                if Z is not None and g is not None:
                    digits = "".join(character for character in R.label + P.label if character.isdigit())[:1]
                    name = f"Z{digits}" if f"Z{digits}" not in self.values else f"Z of {label}"
                    Z = Z.reshape(Q.shape)
                    found = linear.oriented(name, Z, P, R, b or None, bias if b else None, self.step.m)
                    self.synthetic[name] = self.linear_edges(found)
                    return [self.output(elementwise(g, Z, Q, (name, label)), g, Z)]
        return []

    @staticmethod
    def _sum(product: Array, bias: Array) -> Array | None:
        if bias.ndim > 2 or bias.size not in (1, *product.shape):
            return None
        try:
            Z = product + bias
        except ValueError:
            return None
        return np.asarray(Z) if Z.shape == product.shape else None

    def _recurrence(self, label: str, Q: Array, values: Mapping[str, Array]) -> list[Edge]:
        if Q.ndim not in (2, 3):
            return []
        values = dict(reversed(self.with_slices(Q, values).items()))
        computed = values.keys() & self.values.keys() - self._leaves
        weights = {name: value for name, value in values.items() if name not in computed}
        for found in recurrence.recognised(Q, values, weights, self.step.m, self.step.rounding):
            return list(recurrence.edges(label, Q, found)) if len(found.x) > 1 else self._cell(label, Q, found)
        return []

    def _cell(self, label: str, Q: Array, found: recurrence.Recurrence) -> list[Edge]:
        """A = g(Wx x + Wa a_prev + b) as two products that share a sum, and an activation."""
        plain = found.g is recurrence.IDENTITY
        name = label if plain else f"z of {label}"
        flip = Q.shape != found.a[0].shape
        Z = found.g_input().T if flip else found.g_input()
        Z = Q if plain else Z
        sums: list[Edge] = []
        for linear_one, kind in (
            (found.product("Wx", "x", name, Z, flip), "input"),
            (found.product("Wa", "a0", name, Z, flip), "carry"),
        ):
            edges = self.linear_edges(linear_one)
            sums += [
                replace(edge, kind="carry") if kind == "carry" and edge.kind == "input" else edge for edge in edges
            ]
        if plain:
            return sums
        self.synthetic[name] = sums
        return [self.output(elementwise(found.g, Z, Q, (name, label)), found.g, Z)]

    def _generic(self, label: str, Q: Array, values: Mapping[str, Array]) -> list[Edge]:
        """One edge from the last quantity that everything from `of` to here goes through; from `of` itself if none."""
        step = self.step
        probe = np.asarray(np.random.default_rng(1).normal(size=Q.shape))
        whole = step.vjp(label, step.of, probe) if label in step.forward else None
        if whole is None:
            return []
        between = [k for k in self.values if self.order[step.of] < self.order[k] < self.order[label]]
        for name in (*reversed(between), step.of):
            first = step.vjp(label, name, probe)
            if first is None or (name == step.of and self._blocked(label, between)):
                continue
            through = first if name == step.of else step.vjp(name, step.of, first)
            if through is not None and agree(through, whole, step.rounding):
                edge = generic.generic_edge(label, name, self.values, step.vjp, step.rounding)
                return [edge] if edge else []
        return []

    def _blocked(self, label: str, between: list[str]) -> bool:
        """Whether some of the ways from `of` go through a quantity whose gradient is the user's."""
        step, ones = self.step, np.ones_like
        return any(
            step.vjp(label, k, ones(self.values[label])) is not None
            and step.vjp(k, step.of, ones(self.values[k])) is not None
            for k in between
            if self.claimed(k)
        )
