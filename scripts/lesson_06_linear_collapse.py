"""Linear activations collapse a network of any depth to one linear map.

With g(z) = z every layer is A[l] = W[l] A[l-1] + b[l], so that A[L] = W' X + b' with

    W' = W[L] ... W[1],  b' = W[L] (... W[2] b[1] + b[2] ...) + b[L]

The map is computed from the weights of networks of growing depth, and held against what the networks give. Then
logistic regression, a deep network without activations and one with tanh are trained on the planar flower.

Source: week 3, "Why do you need non-linear activation functions?".
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import torch
from matplotlib.figure import Figure
from torch import Tensor

from torchbasics.data import load
from torchbasics.errors import InputError
from torchbasics.initialisation import initialise
from torchbasics.layers import Layer, Linear, Tanh
from torchbasics.lessons.drawing import boundary
from torchbasics.lessons.lesson import Lesson, LessonConfig, Verdict, main
from torchbasics.losses import SigmoidCrossEntropy
from torchbasics.network import Network
from torchbasics.optim import GradientDescent


@dataclass(frozen=True)
class Config(LessonConfig):
    """The depths that are tried, and the training on the flower."""

    depths: tuple[int, ...] = (1, 2, 4, 8, 16, 32)
    """Numbers of layers whose one linear map is computed."""

    width: int = 8
    """Units of every hidden layer."""

    iterations: int = 4000
    """Parameter updates of each network that is trained."""

    def check(self) -> None:
        super().check()
        for name, values in (("depths", self.depths), ("width", (self.width,)), ("iterations", (self.iterations,))):
            if not values or min(values) < 1:
                raise InputError(f"--{name} {' '.join(map(str, values))}: expected whole numbers, 1 or more")


def network(depth: int, width: int, activation: Callable[[], Layer] | None = None) -> Network:
    """A network of `depth` linear layers on two inputs, with an activation between them or none."""
    sizes = [2, *[width] * (depth - 1), 1]
    layers: list[Layer] = []
    for n_prev, n in itertools.pairwise(sizes):
        layers.append(Linear(n_prev, n))
        if activation is not None:
            layers.append(activation())
    # The output has the loss's sigmoid.
    return Network(layers if activation is None else layers[:-1], SigmoidCrossEntropy())


def one_map(network: Network) -> tuple[Tensor, Tensor]:
    """W' (1, n_x) and b' (1, 1) of a network without activations."""
    W, b = torch.eye(2, dtype=torch.float64), torch.zeros(2, 1, dtype=torch.float64)
    for layer in network.sequence:
        assert isinstance(layer, Linear)
        W, b = layer.W @ W, layer.W @ b + layer.b
    return W, b


def experiment(config: Config, lesson: Lesson) -> Verdict:
    """Compute the one map of untrained networks of every depth; train three networks and draw where each decides."""
    generator = torch.Generator().manual_seed(config.seed)
    X = torch.randn(2, 100, generator=generator, dtype=torch.float64)
    worst = 0.0
    for depth in lesson.track(config.depths, "collapsing"):
        linear = initialise(network(depth, config.width).double(), "he", config.seed)
        for name, parameter in linear.notes_parameters():
            if name.startswith("b"):
                # With b = 0 the map's own b' would be 0 at every depth.
                parameter.data.normal_(generator=generator)
        W, b = one_map(linear)
        Z = linear.outputs(X)
        difference = ((Z - (W @ X + b)).abs().max() / Z.abs().max()).item()
        lesson.scalars("collapse", depth, {"difference_from_one_map": difference})
        worst = max(worst, difference)

    data = load("flower", dtype=torch.float64, seed=config.seed)
    figure = Figure(figsize=(11, 4), layout="constrained")
    accuracies = {}
    kinds: dict[str, Network] = {
        "logistic regression": network(1, config.width),
        "4 layers, g(z) = z": network(4, config.width),
        "4 layers, tanh": network(4, config.width, Tanh),
    }
    for (name, kind), axis in zip(kinds.items(), figure.subplots(1, 3), strict=True):
        trained = initialise(kind.double(), "xavier", config.seed)
        optimizer = GradientDescent(trained.parameters(), learning_rate=0.3)
        for i in lesson.track(range(config.iterations), name):
            J = trained.cost(data.train.X, data.train.Y)
            trained.backward()
            optimizer.step()
            if i % 50 == 0:
                lesson.scalars(name, i, {"cost": J.item()})
        right = (trained(data.train.X) > 0.5) == (data.train.Y > 0.5)
        accuracies[name] = right.double().mean().item()
        boundary(axis, trained, data.train.X, data.train.Y)
        axis.set_title(f"{name}: {accuracies[name]:.1%}")
    lesson.show(figure)
    logistic, deep, tanh = accuracies.values()
    return Verdict(
        worst < 1e-12 and abs(deep - logistic) < 0.03 and tanh > deep + 0.15,
        f"networks of up to {max(config.depths)} linear layers differ from their one map by {worst:.1g} of their "
        f"largest output; "
        f"on the flower 4 linear layers get {deep:.1%}, logistic regression {logistic:.1%}, with tanh {tanh:.1%}",
        {"difference": worst, "logistic": logistic, "linear": deep, "tanh": tanh},
    )


if __name__ == "__main__":
    main(Config, experiment)
