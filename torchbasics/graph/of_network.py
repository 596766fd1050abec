"""The graph of a `Network`: its layers as boxes with the notes' names and shapes, its gradients along the edges.

The values are those of one forward and one backward sweep, which leave the network as it was.
"""

from collections.abc import Callable, Mapping

from jaxtyping import Float
from torch import Tensor

from torchbasics.check.networks.kept import kept
from torchbasics.check.report import Report
from torchbasics.graph.drawing import Arrow, Box, Drawing
from torchbasics.layers import Layer
from torchbasics.network import Network, is_weight

# The notes' formulas; other layers go by their class's name.
_FORMULAS: dict[str, Callable[[str, Mapping[str, str]], str]] = {
    "Linear": lambda A_prev, names: f"{names['W']} {A_prev} + {names['b']}",
    "Sigmoid": lambda A_prev, names: f"sigmoid({A_prev})",
    "Tanh": lambda A_prev, names: f"tanh({A_prev})",
    "ReLU": lambda A_prev, names: f"relu({A_prev})",
}


def network_drawing(
    network: Network, X: Float[Tensor, "..."], Y: Float[Tensor, "..."], report: Report | None = None
) -> Drawing:
    """One step of the network at X (n_x, m) and Y (n_y, m): Z1, A1, ..., J with dZ1, dW1, db1, ... on the edges.

    With the report of `torchbasics.check(network, X, Y)`, the edges whose gradient is wrong are marked. dZ and dA are
    m dJ/dZ and m dJ/dA, dW and db are gradients of J: the notes' convention.
    """
    with kept(network):
        found = network.quantities(X, Y)
    wrong = set() if report is None else {quantity.name for quantity in report.wrong}
    parameters = dict(network.notes_parameters())

    def arrow(start: str, end: str) -> Arrow:
        gradient = found.get(f"d{start}")
        if gradient is None:
            return Arrow(start, end, None)
        label = f"d{start} {_shape(gradient)} norm {gradient.norm().item():.3g}"
        return Arrow(start, end, label, f"d{start}" not in wrong)

    boxes, arrows, A_prev = [_given("X", X)], [], "X"
    for name, layer, names in zip(network.names, network.sequence, network.own_names, strict=True):
        boxes += [_given(own, parameters[own]) for own in names.values()]
        title = f"{name} = {_formula(layer, A_prev, names)}"
        parts = [type(part).__name__ for _, part in layer.parts() if part is not layer]
        lines = (_shape(found[name]), *([f"of {', '.join(parts)}"] if parts else []))
        boxes.append(Box(name, title, lines, "computed", tuple(found[name].shape)))
        arrows += [arrow(A_prev, name), *(arrow(own, name) for own in names.values())]
        A_prev = name
    penalties = list(network.penalties)
    weights = [own for own in parameters if is_weight(own)] if penalties else []
    J = " + ".join([f"{type(network.loss).__name__}({A_prev}, Y)", *(type(part).__name__ for part in penalties)])
    boxes += [_given("Y", Y), Box("J", f"J = {J}", (f"{found['J'].item():.6g}",), "last", ())]
    arrows += [arrow(A_prev, "J"), Arrow("Y", "J", None), *(Arrow(own, "J", None) for own in weights)]
    note = "Along the edges, right to left: dZ = m dJ/dZ and dA = m dJ/dA; dW = dJ/dW and db = dJ/db."
    if weights:
        note = f"{note[:-1]}, with the penalty's part."
    return Drawing(f"one step of {' -> '.join(['X', *network.names, 'J'])}", tuple(boxes), tuple(arrows), note)


def drawing_in_use(network: Network, X: Float[Tensor, "..."], Y: Float[Tensor, "..."]) -> Drawing:
    """The same of a network in use: no dropout, batch norm by its running statistics, nothing random drawn."""
    with kept(network):
        return network_drawing(network.eval(), X, Y)


def _given(name: str, value: Tensor) -> Box:
    return Box(name, name, (_shape(value),), "leaf", tuple(value.shape))


def _shape(value: Tensor) -> str:
    return f"({', '.join(map(str, value.shape))})"


def _formula(layer: Layer, A_prev: str, names: Mapping[str, str]) -> str:
    kind = type(layer).__name__
    if kind in _FORMULAS:
        return _FORMULAS[kind](A_prev, names)
    return f"{kind}({A_prev})"
