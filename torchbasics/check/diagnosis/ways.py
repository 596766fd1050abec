"""The way from one quantity to where its gradient comes from, as right and mistaken pulls.

Legend: `of` is the quantity, `frontier` a quantity above it whose gradient G is the user's own (or J), s what a
gradient of `of` is in units of an intermediate's: 1/convention for a parameter's, 1 for another's.
"""

from dataclasses import dataclass

import numpy as np

from torchbasics.check.diagnosis.edges import Edge, Pull, Real
from torchbasics.check.diagnosis.recognise import Graph
from torchbasics.check.step import Array, Step


@dataclass(frozen=True)
class Candidate:
    """A mistaken value of the step's gradient."""

    id: str
    text: str
    value: Real
    free: Real | None = None
    """The value may be off by any multiple of this."""

    certain: bool = True
    """Whether nothing but this mistake gives the value; a small fraction may be anybody's."""


class Chain:
    """All ways from `of` to one frontier."""

    def __init__(self, step: Step, graph: Graph, frontier: str) -> None:
        self.step, self.graph, self.frontier = step, graph, frontier
        self.cotangent = self._cotangent()
        self.edges = self._edges()

    def _cotangent(self) -> Array:
        step = self.step
        if self.frontier == self.graph.sink:
            return np.asarray(np.full(step.forward.get(self.frontier, np.ones(())).shape, step.convention))
        own = step.backward.get(f"d{self.frontier}")
        if own is not None:
            return own
        whole = step.vjp(self.graph.sink, self.frontier, np.ones_like(step.forward.get(self.graph.sink, np.ones(()))))
        return np.zeros_like(step.forward[self.frontier]) if whole is None else whole * step.convention

    def _edges(self) -> list[Edge]:
        sink = self.frontier == self.graph.sink
        start = self.graph.cost_edges() if sink else self.graph.edges(self.frontier)
        found, seen, todo = list(start), {self.frontier}, [edge.input for edge in start]
        while todo:
            node = todo.pop()
            if node in seen or node == self.step.of or f"d{node}" in self.step.backward:
                continue
            seen.add(node)
            found += self.graph.edges(node)
            todo += [edge.input for edge in self.graph.edges(node)]
        return found

    def gradient(
        self, node: str, swap: tuple[Edge, Pull] | None = None, put: tuple[str, Array] | None = None
    ) -> Array | None:
        """The gradient that reaches a node; `swap` has another pull for an edge, `put` another gradient for a node."""
        if put is not None and node == put[0]:
            return put[1]
        if node == self.frontier:
            return self.cotangent
        total: Array | None = None
        for edge in self.edges:
            if edge.input == node:
                G = self.gradient(edge.output, swap, put)
                if G is not None:
                    pull = swap[1] if swap is not None and swap[0] is edge else edge.pull
                    term = np.asarray(pull(G))
                    total = term if total is None else np.asarray(total + term)
        return total

    def way(self) -> list[Edge]:
        """The edges that lie between `of` and the frontier, the nearest to `of` first."""
        found: list[Edge] = []
        todo = [self.step.of]
        while todo:
            node = todo.pop(0)
            for edge in self.edges:
                if edge.input == node and edge not in found and self.gradient(edge.output) is not None:
                    found.append(edge)
                    todo.append(edge.output)
        return found

    def written(self, node: str) -> str:
        """The gradient at a node in the notes' symbols."""
        if node == self.frontier:
            return "1" if node == self.graph.sink else f"d{node}"
        terms = [edge.formula(self.written(edge.output)) for edge in self.edges if edge.input == node]
        return " + ".join(terms)
