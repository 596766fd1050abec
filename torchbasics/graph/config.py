"""What `torchbasics graph` is told. Nothing heavy is imported here, so that `--help` answers at once."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from torchbasics.arguments import left_out


@dataclass(frozen=True)
class GraphConfig:
    """Draw a computation graph: values forward, derivatives backward, the chain rule written out, every edge checked.

    As in: torchbasics graph "u = b*c; v = a + u; J = 3*v" --at a=5,b=3,c=2. The text is parsed, never executed; it may
    have numbers, names, + - * / ** @, x.T, and exp, log, sqrt, sigmoid, tanh, relu, max, sum, mean, reshape, transpose.
    """

    expression: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="EXPRESSION")]
    """An expression; notes or logistic-example, the notes' two; or a model of train's, such as deep."""

    at: Annotated[str | None, left_out("NAME=VALUE,...", "notes and logistic-example: their own")] = None
    """Values of the variables: numbers, rows such as [[1,2],[3,4]], or randn(2,3)."""

    data: Annotated[str | None, left_out("NAME|FILE|DIR", "train's")] = None
    """Of a model: where its examples come from, as train has it."""

    layers: Annotated[str | None, left_out("n_x,...,1", "train's")] = None
    """Of a model: its sizes."""

    examples: Annotated[int | None, left_out("M", "5")] = None
    """Of a model: how many of the training examples its step is at."""

    seed: int = 1
    """Seed of randn and of a model's initial weights."""

    svg: Annotated[Path | None, left_out("FILE", "none")] = None
    """Write the picture to FILE."""

    mermaid: Annotated[Path | None, left_out("FILE", "none")] = None
    """Write the graph as Mermaid text to FILE."""

    run: Annotated[Path | None, left_out("DIR", "none")] = None
    """Write the graph for TensorBoard to DIR, which is new or empty."""
