"""A computation graph: values forward, derivatives backward along every edge, each held against autograd.

Legend: v is the value of a node, x and y those that it is computed from, J the last. dJ/dv of a node is the sum of what
every edge that leaves it brings back. Values are float64.

>>> graph = computation_graph("3*(a + b*c)", a=5, b=3, c=2)
>>> [node.formula for node in graph.nodes if not node.is_leaf]
['u = b*c', 'v = a + u', 'J = 3*v']
>>> {leaf.name: leaf.gradient.item() for leaf in graph.leaves}
{'a': 3.0, 'b': 6.0, 'c': 9.0}
>>> all(edge.agrees for edge in graph.edges)
True
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from torchbasics.errors import InputError, nearest
from torchbasics.graph.expression import shown, trace_text
from torchbasics.graph.operations import Operation
from torchbasics.graph.reading import Step, read
from torchbasics.graph.traced import trace

U = torch.finfo(torch.float64).eps / 2


@dataclass(eq=False)
class Node:
    """One value: a leaf, or what an operation gives; `gradient` is dJ/dv."""

    name: str
    operation: Operation | None
    arguments: "tuple[Node | float, ...]"
    settings: Mapping[str, Any]
    value: Float[Tensor, "..."]
    gradient: Float[Tensor, "..."]
    constant: bool = False

    @property
    def is_leaf(self) -> bool:
        """Whether it is given rather than computed."""
        return self.operation is None

    @property
    def written(self) -> str:
        """What it is computed by, such as "b*c"; of a leaf its name."""
        if self.operation is None:
            return self.name
        return self.operation.written(*map(written, self.arguments), **self.settings)

    @property
    def formula(self) -> str:
        """Such as "u = b*c"; of a leaf its name."""
        return self.name if self.is_leaf else f"{self.name} = {self.written}"


@dataclass(eq=False)
class Edge:
    """From a value to one that is computed from it; `sent` is what comes back along it, a part of dJ/d(parent)."""

    parent: Node
    child: Node
    place: int
    """Which of the child's arguments the parent is."""
    sent: Float[Tensor, "..."]
    autograd: Float[Tensor, "..."]
    units: float
    """The largest |sent - autograd| in units of what rounding can do to it."""
    last: str
    """What is differentiated, by its name."""

    @property
    def agrees(self) -> bool:
        """Whether it is autograd's to rounding."""
        return self.units <= 1

    @property
    def slope(self) -> float | None:
        """d(child)/d(parent), where both are single numbers."""
        if self.parent.value.numel() != 1 or self.child.value.numel() != 1:
            return None
        return sent_back(self.child, torch.ones_like(self.child.value))[self.place].item()

    @property
    def words(self) -> str:
        """What comes back, in words, such as "dJ/dv * x" or "x^T @ dJ/dv"."""
        operation, names = self.child.operation, [written(argument) for argument in self.child.arguments]
        assert operation is not None
        arriving = f"d{self.last}/d{self.child.name}"
        if operation.sent is not None:
            sent = operation.sent(arriving, *names, **self.child.settings)[self.place]
            batches = operation.name == "matmul" and self.child.value.ndim > max(2, self.parent.value.ndim)
            return f"{sent}, summed over the repeats of {self.parent.name}" if batches else sent
        assert operation.factors is not None
        factor = operation.factors(self.child.name, *names)[self.place]
        product = {"1": arriving, "-1": f"-{arriving}"}.get(factor, f"{arriving} * {factor}")
        repeats = self.child.value.numel() // self.parent.value.numel()
        return product if repeats == 1 else f"{product}, summed over the {repeats:,} repeats of {self.parent.name}"


class Graph:
    """The nodes in the order of the forward sweep, the last of them J, and the edges between them."""

    def __init__(self, title: str, steps: Sequence[Step], values: Mapping[str, Tensor]) -> None:
        self.title = title
        self._steps, self._given = steps, values
        self.nodes = _forward(steps, values)
        self.J = self.nodes[-1]
        if self.J.is_leaf:
            raise InputError(f"{shown(title)}: nothing is computed in it, expected one such as 3*(a+b*c)")
        if self.J.value.numel() != 1:
            raise InputError(
                f"{self.J.formula} has shape {tuple(self.J.value.shape)}, expected a single number; end with "
                f"sum({self.J.written}) or mean({self.J.written})"
            )
        self.edges = _backward(self.nodes)

    def __str__(self) -> str:
        """The account step by step."""
        from torchbasics.graph.steps import steps

        return steps(self)

    def _repr_svg_(self) -> str:
        """The picture, in a notebook."""
        from torchbasics.graph.drawing import drawing
        from torchbasics.graph.svg import svg

        return svg(drawing(self))

    @property
    def leaves(self) -> list[Node]:
        """What is given."""
        return [node for node in self.nodes if node.is_leaf]

    def edges_from(self, node: Node) -> list[Edge]:
        """The edges to what is computed from the node."""
        return [edge for edge in self.edges if edge.parent is node]

    def nudged(self, leaf: Node, by: float) -> float | None:
        """J where every entry of a leaf is larger by so much; None where J has no value there."""
        try:
            return _forward(self._steps, {**self._given, leaf.name: leaf.value + by})[-1].value.item()
        except InputError:
            return None


def computation_graph(expression: str | Callable[..., Tensor], /, **values: Any) -> Graph:
    """The graph of an expression, such as "3*(a + b*c)", or of a plain Python function of tensors, at these values.

    - An expression is read by `torchbasics.graph.expression`'s grammar; nothing of it is executed.
    - A function is traced by `torch.fx`; its local variables name the values.
    - A value is a number, a tensor or nested lists.

    Raises `InputError` for what can't be read or traced, for values that are missing or don't go together, and where a
    value or a derivative is not finite.
    """
    tensors = {name: _tensor(name, value) for name, value in values.items()}
    if isinstance(expression, str):
        title = expression.strip()
        steps = read(*trace_text(expression), str)
        return Graph(title, steps, _fitting(shown(title), _variables(steps), tensors))
    graph, tracer, names = trace(expression)
    parameters = inspect.signature(expression).parameters
    title = f"{expression.__name__}({', '.join(parameters)})"
    steps = read(graph, names, lambda target: getattr(tracer.root, target))
    leaves = _variables(steps)
    # What the function takes and does not use has no place in its graph.
    tensors = {name: value for name, value in tensors.items() if name in leaves or name not in parameters}
    for name, parameter in parameters.items():
        if parameter.default is not parameter.empty and name in leaves and name not in tensors:
            tensors[name] = _tensor(name, parameter.default)
    return Graph(title, steps, _fitting(title, leaves, tensors))


def _variables(steps: Sequence[Step]) -> list[str]:
    return [step.name for step in steps if step.operation is None and step.constant is None]


def written(argument: Node | float) -> str:
    """An argument as formulas have it: a name, or a number in as few digits as it takes."""
    if isinstance(argument, Node):
        return argument.name
    number = f"{argument:.12g}"
    return f"({number})" if argument < 0 else number


def sent_back(child: Node, dv: Tensor) -> tuple[Tensor, ...]:
    """What dJ/dv = `dv` of a node brings back to each of its arguments, in their shapes, by the hand-derived rule."""
    sent, _ = _sent_and_sizes(child, dv)
    return sent


def _tensor(name: str, value: Any) -> Tensor:
    try:
        tensor = value.detach().double() if isinstance(value, Tensor) else torch.tensor(value, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError):
        raise InputError(f"{name} = {value!r}: expected a number, a tensor or lists of numbers") from None
    if not tensor.numel() or not tensor.isfinite().all():
        lacks = "no numbers" if not tensor.numel() else "a number that is not finite"
        raise InputError(f"{name} has {lacks}, expected finite numbers, one or more")
    return tensor


def _fitting(title: str, leaves: Sequence[str], values: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    missing = [name for name in leaves if name not in values]
    if missing:
        example = ",".join(f"{name}=..." for name in leaves)
        raise InputError(f"{title}: no value for {', '.join(missing)}, expected one for each of {example}")
    unknown = [name for name in values if name not in leaves]
    if unknown:
        raise InputError(f"{title} has no variable {unknown[0]}; {nearest(unknown[0], leaves)}")
    return values


def _operands(arguments: Sequence[Node | float]) -> list[Tensor]:
    return [a.value if isinstance(a, Node) else torch.tensor(a, dtype=torch.float64) for a in arguments]


def _forward(steps: Sequence[Step], given: Mapping[str, Tensor]) -> list[Node]:
    nodes: dict[str, Node] = {}
    for step in steps:
        arguments = tuple(a if isinstance(a, float) else nodes[a.name] for a in step.arguments)
        if step.operation is None:
            value = given[step.name] if step.constant is None else _tensor(step.name, step.constant)
        else:
            value = torch.empty(0)
        node = Node(
            step.name, step.operation, arguments, step.settings, value, torch.zeros(()), step.constant is not None
        )
        if step.operation is not None:
            node.value = _computed(node)
        nodes[step.name] = node
    return list(nodes.values())


def _computed(node: Node) -> Tensor:
    assert node.operation is not None
    operands = _operands(node.arguments)
    shapes = ", ".join(f"{written(a)} {tuple(a.value.shape)}" for a in node.arguments if isinstance(a, Node))
    try:
        value = node.operation.forward(*operands, **node.settings)
    except (RuntimeError, IndexError, TypeError, ValueError, ArithmeticError) as error:
        raise InputError(f"{node.formula}: shapes {shapes} don't fit: {str(error).partition(chr(10))[0]}") from None
    if not value.isfinite().all():
        shown_values = ", ".join(f"{a.name} = {brief(a.value)}" for a in node.arguments if isinstance(a, Node))
        raise InputError(f"{node.formula} is not finite at {shown_values}; give other values")
    return value


def _backward(nodes: Sequence[Node]) -> list[Edge]:
    """dJ/dv of every node, last to first, and every edge along which a part of it came."""
    for node in nodes:
        node.gradient = torch.zeros_like(node.value)
    nodes[-1].gradient = torch.ones_like(nodes[-1].value)
    edges: list[Edge] = []
    for child in reversed(nodes):
        if child.operation is None:
            continue
        sent, sizes = _sent_and_sizes(child, child.gradient)
        references = _autograd(child)
        # From the last to the first here too, and the whole turned round at the end.
        for place, parent in reversed(list(enumerate(child.arguments))):
            if not isinstance(parent, Node):
                continue
            if not sent[place].isfinite().all():
                raise InputError(
                    f"d{nodes[-1].name}/d{parent.name} is not finite: {child.formula} has no derivative at "
                    f"{parent.name} = {brief(parent.value)}; give other values"
                )
            bound = (8 + child.value.numel()) * U * sizes[place]
            off = (sent[place] - references[place]).abs()
            # 0 / 0: equal to the last bit, of terms that are all 0.
            units = torch.where(off == 0, 0.0, off / bound).max().item()
            edges.append(Edge(parent, child, place, sent[place], references[place], units, nodes[-1].name))
            parent.gradient = parent.gradient + sent[place]
    edges.reverse()
    return edges


def _sent_and_sizes(child: Node, dv: Tensor) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """What each argument gets, and the sum of its terms without their signs, which rounding goes by."""
    operation, operands = child.operation, _operands(child.arguments)
    assert operation is not None
    if operation.slopes is None:
        assert operation.backward is not None
        sent = operation.backward(dv, child.value, *operands, **child.settings)
        # Of all of these only a product's terms can cancel.
        sized = [x.abs() for x in operands] if operation.name == "matmul" else operands
        sizes = tuple(size.abs() for size in operation.backward(dv.abs(), child.value, *sized, **child.settings))
    else:
        slopes = operation.slopes(child.value, *operands)
        sent = tuple(dv * slope for slope in slopes)
        sizes = tuple(dv.abs() * slope.abs() for slope in (operation.sizes or operation.slopes)(child.value, *operands))
    shapes = [x.shape for x in operands]
    return (
        tuple(_unrepeated(x, shape) for x, shape in zip(sent, shapes, strict=True)),
        tuple(_unrepeated(x, shape) for x, shape in zip(sizes, shapes, strict=True)),
    )


def _unrepeated(sent: Tensor, shape: torch.Size) -> Tensor:
    """Undo broadcasting: a sum over the axes along which the argument of this shape was repeated."""
    sent = sent.sum(tuple(range(sent.ndim - len(shape)))) if sent.ndim > len(shape) else sent
    repeated = tuple(axis for axis, n in enumerate(shape) if n == 1 and sent.shape[axis] != 1)
    return sent.sum(repeated, keepdim=True) if repeated else sent


def _autograd(child: Node) -> list[Tensor]:
    """The same by autograd, through this one operation."""
    assert child.operation is not None
    operands = [x.detach().clone().requires_grad_() for x in _operands(child.arguments)]
    v = child.operation.forward(*operands, **child.settings)
    return list(torch.autograd.grad(v, operands, child.gradient))


def brief(value: Tensor) -> str:
    """A value in a few words: a number, a few numbers, or the shape and how large the numbers are."""
    if value.numel() == 1:
        # Not -0, which is no other number.
        return f"{value.item() + 0.0:.6g}"
    if value.numel() <= 6 and value.ndim <= 2:
        rows = (value + 0.0).tolist()
        return str([[float(f"{x:.4g}") for x in row] if isinstance(row, list) else float(f"{row:.4g}") for row in rows])
    shape = ", ".join(map(str, value.shape))
    return f"({shape}), from {value.min().item():.4g} to {value.max().item():.4g}"
