"""What is drawn of a graph, whatever draws it: boxes with values, arrows with what comes back along them."""

from dataclasses import dataclass
from typing import Literal

from torchbasics.graph.graph import Edge, Graph, brief


@dataclass(frozen=True)
class Box:
    """A value: how it is computed, and below it what it is."""

    key: str
    title: str
    lines: tuple[str, ...]
    kind: Literal["leaf", "computed", "last"]
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Arrow:
    """From a value to one that is computed from it, with the derivative that comes back; None: nobody asks for it."""

    start: str
    end: str
    label: str | None
    agrees: bool = True


@dataclass(frozen=True)
class Drawing:
    """All of it, in the order of the forward sweep."""

    title: str
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    note: str
    """What is to be known to read it."""


def drawing(graph: Graph) -> Drawing:
    """An expression's graph: nodes with their values, edges with dJ/d(that)."""
    boxes = tuple(
        Box(
            node.name,
            node.formula,
            (brief(node.value),),
            "last" if node is graph.J else "leaf" if node.is_leaf else "computed",
            tuple(node.value.shape),
        )
        for node in graph.nodes
    )
    arrows = tuple(Arrow(edge.parent.name, edge.child.name, _label(graph, edge), edge.agrees) for edge in graph.edges)
    J = graph.J.name
    return Drawing(
        graph.title, boxes, arrows, f"Along each edge, right to left: what it adds to d{J}/d(value at its start)."
    )


def _label(graph: Graph, edge: Edge) -> str:
    sign = "=" if len(graph.edges_from(edge.parent)) == 1 else "+="
    shown = brief(edge.sent) if edge.sent.numel() <= 4 else f"({', '.join(map(str, edge.sent.shape))})"
    return f"d{graph.J.name}/d{edge.parent.name} {sign} {shown}"
