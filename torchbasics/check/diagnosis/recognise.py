"""From arrays to a graph: how each named quantity was computed from those before it, by values, never by source."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice

import numpy as np

from torchbasics.check.diagnosis import convolution, generic, linear, lookup, loss, pooling, recurrence
from torchbasics.check.diagnosis.activation import KNOWN, SIGMOID, Activation, elementwise
from torchbasics.check.diagnosis.activation import recognised as activation_of
from torchbasics.check.diagnosis.arithmetic import Arithmetic, multiple
from torchbasics.check.diagnosis.edges import Edge, agree, series
from torchbasics.check.diagnosis.linear import Linear, LinearEdges
from torchbasics.check.diagnosis.loss import Cost
from torchbasics.check.diagnosis.normalisation import affine, normalisation_edge
from torchbasics.check.diagnosis.normalisation import recognised as normalised
from torchbasics.check.diagnosis.regularisation import dropout_edge
from torchbasics.check.diagnosis.regularisation import recognised as dropped
from torchbasics.check.step import Array, Step

# Pairs of factors that are tried where the sum that an activation is applied to has no name.
UNNAMED = 200

# A name that more values than this have is one of a loop over entries, not over layers or time steps.
CROWD = 24


class Graph:
    """The edges of one step's forward sweep, found as they are asked for."""

    def __init__(self, step: Step) -> None:
        self.step = step
        self.sink = self._sink()
        self.values = self._distinct()
        self.order = {label: i for i, label in enumerate(self.values)}
        self.everything = {**self.values, **{k: v for k, v in step.locals.items() if k not in self.values}}
        self.costs: dict[str, Cost] = {}
        self.synthetic: dict[str, list[Edge]] = {}
        self._known: dict[str, list[Edge]] = {}
        self._traced: bool | None = None

    def _sink(self) -> str:
        """The label of the cost: J, or the user's own name of the same number where that is what derivatives go by."""
        step = self.step
        J = step.forward.get("J")
        same = [
            k for k, v in step.forward.items() if J is not None and v.size == 1 and float(v.reshape(-1)[0]) == float(J)
        ]
        for label in ("J", *same):
            start = np.asarray(np.ones_like(step.forward.get(label, np.ones(()))))
            for end in reversed(list(step.forward)):
                if end != label and step.forward[end].size > 1 and step.vjp(label, end, start) is not None:
                    return label
        return "J"

    def claimed(self, label: str) -> bool:
        """Whether the user has a gradient of a quantity."""
        return f"d{label}" in self.step.backward and label != self.step.of

    def _distinct(self) -> dict[str, Array]:
        """The forward values without second names of the same array, which would count an edge twice."""
        step = self.step
        kept: dict[str, Array] = {}
        crowds = self._crowds()
        first = [step.of, *(label for label in step.forward if f"d{label}" in step.backward)]
        for label in (*first, *step.forward):
            value = step.forward.get(label)
            if value is None:
                continue
            crowded = label not in first and (series(label), value.shape) in crowds
            if label in kept or crowded or label in (self.sink, "J") or value.size == 0 or not np.isfinite(value).all():
                continue
            same = (other for other in kept.values() if other.shape == value.shape and value.size > 1)
            if label in first or not any((other == value).all() for other in same):
                kept[label] = value
        return {label: kept[label] for label in step.forward if label in kept}

    def _crowds(self) -> set[tuple[str, tuple[int, ...]]]:
        """Names that a loop gave to so many values, such as every window of a convolution, that none is a quantity."""
        counts = Counter((series(label), value.shape) for label, value in self.step.forward.items())
        return {name for name, count in counts.items() if count > CROWD}

    def before(self, label: str) -> dict[str, Array]:
        """What came before a quantity; constants, such as masks, among the other arrays too."""
        earlier = {key: value for key, value in self.values.items() if self.order[key] < self.order[label]}
        return {**earlier, **{k: v for k, v in self.step.locals.items() if k not in self.values}}

    def edges(self, label: str) -> list[Edge]:
        """The edges into a quantity."""
        if label in self.synthetic:
            return self.synthetic[label]
        if label not in self._known:
            self._known[label] = [] if label not in self.values else list(self._edges(label))
        return self._known[label]

    def _edges(self, label: str) -> Iterator[Edge]:
        Q, values = self.values[label], self.before(label)
        if self.order[label] <= self.order.get(self.step.of, -1) or not self._depends(label):
            return
        for find in (
            self._linear,
            self._activation,
            self._normalisation,
            self._moved,
            self._arithmetic,
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

    def _with_slices(self, Q: Array, values: Mapping[str, Array]) -> dict[str, Array]:
        """The values and, of those with time steps, each step's."""
        found = dict(values)
        for name, value in values.items() if Q.ndim == 2 else ():
            if value.ndim != 3 or name not in self.values:
                continue
            for axis in range(3):
                if self.step.m not in value.shape[:axis] + value.shape[axis + 1 :]:
                    continue
                for t in range(value.shape[axis]):
                    at = ", ".join(str(t) if other == axis else ":" for other in range(3))
                    slice_name = f"{name}[{at}]"
                    step_value = np.asarray(value.take(t, axis))
                    if any(other.shape == step_value.shape and (other == step_value).all() for other in found.values()):
                        continue
                    found[slice_name] = step_value
                    self.synthetic[slice_name] = [lookup.slice_edge(slice_name, name, value.shape, axis, t)]
        return found

    def _depends(self, label: str) -> bool:
        """Whether a quantity is computed from `of`, as far as the checker can tell."""
        step = self.step
        if self._traced is None:
            self._traced = any(
                step.vjp(k, step.of, np.ones_like(v)) is not None for k, v in reversed(self.values.items())
            )
        return not self._traced or step.vjp(label, step.of, np.ones_like(self.values[label])) is not None

    def _linear(self, label: str, Q: Array, values: Mapping[str, Array]) -> list[Edge]:
        values = self._with_slices(Q, values)
        found = list(islice(linear.recognised(label, Q, values, self.step.m, self.step.rounding), 4))
        found.sort(key=lambda one: self.step.of not in (one.W.label, one.A.label, one.b))
        return self.linear_edges(found[0]) if found else []

    def linear_edges(self, found: Linear) -> list[Edge]:
        """The edges of one linear step."""
        step = self.step
        return list(LinearEdges(found, self.everything, step.backward, step.m, 1 / step.convention).edges())

    def _activation(self, label: str, Q: Array, values: Mapping[str, Array]) -> list[Edge]:
        step = self.step
        same = {key: value for key, value in values.items() if value.shape == Q.shape and value.size > 0}
        for name, Z in reversed(list(same.items())):
            g = activation_of(Z, Q, step.rounding)
            if g is not None:
                relatives = {k: v for k, v in self.values.items() if v.shape == Z.shape and k not in (name, label)}
                return [self._output(elementwise(g, Z, Q, (name, label), relatives), g, Z)]
        for name, H in reversed(list(same.items())):
            for mask in dropped(H, Q, self.everything, step.rounding):
                return [dropout_edge(name, label, mask)]
        for name, Z in reversed(list(same.items())):
            for axis in range(Q.ndim):
                if Q.shape[axis] > 1 and agree(loss.softmax(Z, axis), Q, step.rounding):
                    return [self._softmax(name, label, Z, Q, axis)]
        return self._dropped_activation(label, Q, same)

    def _dropped_activation(self, label: str, Q: Array, same: Mapping[str, Array]) -> list[Edge]:
        """A = g(Z) * D / keep_prob, where the g(Z) in between has lost its name to A."""
        for name, Z in reversed(list(same.items())):
            for g in KNOWN:
                for mask in dropped(g.g(Z), Q, self.everything, self.step.rounding):
                    if mask.D_label != name:
                        inner = f"{g.name}({name})"
                        self.synthetic[inner] = [elementwise(g, Z, g.g(Z), (name, inner), {label: Q})]
                        return [dropout_edge(inner, label, mask)]
        return []

    def _output(self, edge: Edge, g: Activation, Z: Array) -> Edge:
        cost = self.costs.get(edge.output)
        if cost is None or cost.loss.through != g.name:
            return edge
        return loss.output_edge(edge, cost, self.step.m, lambda G: G * g.from_Z(Z), Z)

    def _softmax(self, name: str, label: str, Z: Array, A: Array, axis: int) -> Edge:
        edge = loss.softmax_edge(name, label, A, axis)
        cost = self.costs.get(label)
        return loss.output_edge(edge, cost, self.step.m, edge.pull, Z) if cost and cost.loss is loss.CROSS else edge

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
        full = {key for key, value in values.items() if value.shape == Q.shape}
        for name in reversed(list(values)):
            with_gamma = affine(label, values[name], Q, values, rounding) if name in full else None
            if with_gamma is not None:
                found, gamma, beta = with_gamma
                hat = f"{name}_hat"
                self.synthetic[hat] = [normalisation_edge(name, hat, found)]
                return Arithmetic(
                    label, Q, {hat: found.x_hat, **self._stretched(values, (gamma, beta), found.s)}, rounding
                ).edges()
        return []

    def _stretched(self, values: Mapping[str, Array], names: tuple[str | None, ...], like: Array) -> dict[str, Array]:
        return {name: values[name] for name in names if name is not None}

    def _moved(self, label: str, Q: Array, values: Mapping[str, Array]) -> list[Edge]:
        edge = (
            lookup.moved(label, Q, values)
            or lookup.padded(label, Q, values)
            or lookup.looked_up(label, Q, values, self.step.rounding)
        )
        return [edge] if edge else []

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
            return [pooling.pool_edge(label, pool)]
        return []

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
                    return [self._output(elementwise(g, Z, Q, (name, label)), g, Z)]
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
        values = dict(reversed(self._with_slices(Q, values).items()))
        for found in recurrence.recognised(Q, values, self.step.m, self.step.rounding):
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
        return [self._output(elementwise(found.g, Z, Q, (name, label)), found.g, Z)]

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

    def cost_edges(self) -> list[Edge]:
        """The edges into J."""
        step = self.step
        start = np.ones_like(step.forward.get(self.sink, np.ones(())))
        known: dict[str, Array] = {}
        for label in (step.of, *reversed(self.values)):
            if label in self.values and self.order[label] >= self.order.get(step.of, 0) and label not in known:
                D = step.vjp(self.sink, label, start)
                if D is not None:
                    known[label] = D * step.convention
        sized = {label: D for label, D in known.items() if D.size > 1 or label == step.of}
        for label, D in sized.items():
            for cost in loss.recognised(label, self.values[label], D, self.everything, step.rounding):
                self.costs[label] = cost
                return [] if self.claimed(label) else [loss.loss_edge(self.sink, cost, step.m)]
        for label, D in sized.items():
            for name, axis, cost in loss.fused(label, self.values[label], D, self.everything, step.rounding):
                return self._fused(label, self.values[label], name, axis, cost)
        return self._unknown_cost(known)

    def _unknown_cost(self, known: Mapping[str, Array]) -> list[Edge]:
        """One edge to the last quantity that all of J comes through, such as the output of an upstream gradient."""
        step = self.step
        whole = known.get(step.of)
        for label, D in known.items():
            if whole is None or label == step.of or self.claimed(label):
                continue
            through = step.vjp(label, step.of, D)
            if through is not None and agree(through, whole, step.rounding):
                name = f"d{label}" if f"d{label}" in step.locals else f"dJ/d{label}"
                return [Edge(self.sink, label, "loss", lambda G, D=D: D, lambda G, name=name: name)]  # type: ignore[misc]
        return []

    def _fused(self, label: str, Z: Array, name: str, axis: int, cost: Cost) -> list[Edge]:
        self.costs[cost.A_label] = cost
        if name == "sigmoid":
            edge = self._output(elementwise(SIGMOID, Z, cost.A, (label, cost.A_label)), SIGMOID, Z)
        else:
            edge = self._softmax(label, cost.A_label, Z, cost.A, axis)
        self.synthetic[cost.A_label] = [edge]
        return [loss.loss_edge(self.sink, cost, self.step.m)]
