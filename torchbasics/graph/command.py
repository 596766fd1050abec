"""`torchbasics graph`: the account in the terminal, and the picture, the Mermaid text and TensorBoard's events."""

from collections.abc import Callable, Mapping

from rich.console import Console
from torch import Tensor

from torchbasics import files
from torchbasics.check.networks.network import check_network
from torchbasics.errors import InputError
from torchbasics.graph import board
from torchbasics.graph.config import GraphConfig
from torchbasics.graph.drawing import Drawing, drawing
from torchbasics.graph.graph import computation_graph
from torchbasics.graph.mermaid import mermaid
from torchbasics.graph.of_network import network_drawing
from torchbasics.graph.steps import steps
from torchbasics.graph.svg import GENERATOR, svg
from torchbasics.graph.values import read_values
from torchbasics.network import Network

# The notes' two, with values of their own: week 2, "Computation graph" and "Logistic regression gradient descent".
EXAMPLES = {
    "notes": ("u = b*c; v = a + u; J = 3*v", "a=5,b=3,c=2"),
    "logistic-example": (
        "z = w1*x1 + w2*x2 + b; a = sigmoid(z); L = -(y*log(a) + (1 - y)*log(1 - a))",
        "w1=0.5,w2=-1,b=0.25,x1=1,x2=2,y=1",
    ),
}
# Makes a network, and the X and Y of a step.
Build = Callable[[], tuple[Network, Tensor, Tensor]]


def run(config: GraphConfig, models: Mapping[str, Build], console: Console) -> int:
    """Print the account and write what was asked for; 1 if an edge disagrees with autograd.

    Raises `InputError` for what can't be read or written; nothing is written then.
    """
    _refuse_unwritable(config)
    if config.expression in models:
        drawn, text, right = _network(config, models[config.expression])
    else:
        drawn, text, right = _expression(config)
    # All is drawn before anything is said or written.
    drawings = [
        (path, draw(drawn)) for path, draw in ((config.svg, svg), (config.mermaid, mermaid)) if path is not None
    ]
    console.print(text, highlight=False, markup=False, soft_wrap=True)
    for path, content in drawings:
        files.write(path, content)
        console.print(f"wrote {path}", highlight=False, markup=False, soft_wrap=True)
    if config.run is not None:
        board.write(drawn, text, config.run)
        console.print(f"tensorboard --logdir {config.run}", highlight=False, markup=False, soft_wrap=True)
    return 0 if right else 1


def _refuse_unwritable(config: GraphConfig) -> None:
    if config.svg is not None:
        files.refuse("--svg", config.svg, lambda text: GENERATOR in text, "picture of torchbasics graph")
    if config.mermaid is not None:
        files.refuse("--mermaid", config.mermaid, lambda text: "\nflowchart LR\n" in text, "text of torchbasics graph")
    if config.svg is not None and config.mermaid is not None and config.svg.resolve() == config.mermaid.resolve():
        raise InputError(f"--svg and --mermaid are both {config.svg}; give each a file of its own")
    if config.run is not None:
        board.refuse_used(config.run)


def _expression(config: GraphConfig) -> tuple[Drawing, str, bool]:
    text, at = EXAMPLES.get(config.expression, (config.expression, ""))
    for option, value in (("layers", config.layers), ("data", config.data), ("examples", config.examples)):
        if value is not None:
            raise InputError(f"--{option}: an expression has none; give a model such as deep, or leave it out")
    graph = computation_graph(text, **read_values(at if config.at is None else config.at, config.seed))
    return drawing(graph), steps(graph), all(edge.agrees for edge in graph.edges)


def _network(config: GraphConfig, build: Build) -> tuple[Drawing, str, bool]:
    if config.at is not None:
        raise InputError("--at: the values of a model come from its data; leave it out, or choose another --seed")
    network, X, Y = build()
    report = check_network(network, X, Y)
    drawn = network_drawing(network, X, Y, report)
    lines = [drawn.title, "", "forward"]
    lines += [f"  {box.title}  {', '.join(box.lines)}" for box in drawn.boxes]
    lines += ["", "backward"]
    lines += [f"  {arrow.label}" for arrow in reversed(drawn.arrows) if arrow.label is not None]
    return drawn, "\n".join([*lines, "", f"torchbasics check: {report.verdict}; {report.reason}"]), bool(report)
