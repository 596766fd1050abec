"""Where the backward sweep starts: the cost as recognised by dJ/dA, and the activation of the output."""

from collections.abc import Mapping

import numpy as np

from torchbasics.check.diagnosis import loss
from torchbasics.check.diagnosis.activation import SIGMOID, Activation, elementwise
from torchbasics.check.diagnosis.edges import Edge, agree
from torchbasics.check.diagnosis.labels import Labels
from torchbasics.check.diagnosis.loss import Cost
from torchbasics.check.step import Array, Step


class Outputs(Labels):
    """The edges into J, and into the quantities that the cost takes."""

    def __init__(self, step: Step) -> None:
        super().__init__(step)
        self.costs: dict[str, Cost] = {}
        """By the quantity that the cost takes; known once `cost_edges` has been asked."""

    def output(self, edge: Edge, g: Activation, Z: Array) -> Edge:
        """An activation's edge, fused with the cost if that is what takes its output."""
        cost = self.costs.get(edge.output)
        if cost is None or cost.loss.through != g.name:
            return edge
        return loss.output_edge(edge, cost, self.step.m, edge.pull, Z)

    def softmax(self, name: str, label: str, Z: Array, A: Array, axis: int) -> Edge:
        """The edge of a softmax, fused with the cost if that is what takes its output."""
        edge = loss.softmax_edge(name, label, A, axis)
        cost = self.costs.get(label)
        return loss.output_edge(edge, cost, self.step.m, edge.pull, Z) if cost and cost.loss is loss.CROSS else edge

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
            edge = self.output(elementwise(SIGMOID, Z, cost.A, (label, cost.A_label)), SIGMOID, Z)
        else:
            edge = self.softmax(label, cost.A_label, Z, cost.A, axis)
        self.synthetic[cost.A_label] = [edge]
        return [loss.loss_edge(self.sink, cost, self.step.m)]
