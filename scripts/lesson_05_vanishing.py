"""The sigmoid's gradient vanishes with depth, ReLU's does not.

Going back one layer, dZ[l] = W[l+1]^T dZ[l+1] * g'(Z[l]), so that every layer multiplies the gradient by its g':

    sigmoid  g' = a (1 - a), 1/4 at most       tanh        g' = 1 - a^2, 1 at most
    ReLU     g' = 1 where z > 0, else 0        leaky ReLU  g' = 1 where z > 0, else 0.01

Initialised by Xavier, W leaves the length of dZ about as it is; He's has twice its variance, for the half of the units
that ReLU sets to 0. What a layer makes of the gradient is measured before training, as the ratio of the lengths of
dZ[l] and dZ[l+1]. Then networks are trained: a deep one with each g, by alpha = 0.02, the sigmoid's also by 0.3, 1 and
3, of which the best counts, so that it is not the rate that is too small; one with a single hidden layer with sigmoid
and with tanh, whose mean is nearer 0; and one whose hidden units are all dead, Z <= 0 on every example, because b[1]
was made far too small: with ReLU their dW[1] and db[1] are exactly 0 for ever, with leaky ReLU they are not.

Source: week 3, "Activation functions" and "Derivatives of activation functions"; course 2, week 1, "Vanishing /
exploding gradients"; Glorot and Bengio 2010; He et al. 2015.
"""

import math
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from torchbasics.data import load
from torchbasics.data.base import Split
from torchbasics.errors import InputError
from torchbasics.initialisation import initialise
from torchbasics.layers import Layer, LeakyReLU, ReLU, Sigmoid, Tanh
from torchbasics.lessons.drawing import COLOURS
from torchbasics.lessons.lesson import Lesson, LessonConfig, Verdict, main
from torchbasics.models import deep
from torchbasics.network import Network
from torchbasics.optim import GradientDescent

KINDS: dict[str, tuple[Callable[[], Layer], str]] = {
    "sigmoid": (Sigmoid, "xavier"),
    "tanh": (Tanh, "xavier"),
    "ReLU": (ReLU, "he"),
    "leaky ReLU": (LeakyReLU, "he"),
}
# Leaky ReLU's curves are dashed, for they lie on ReLU's.
STYLES: dict[str, dict[str, Any]] = {
    kind: {"color": colour, "linestyle": "--" if kind == "leaky ReLU" else "-"}
    for kind, colour in zip(KINDS, COLOURS, strict=False)
}
UNITS = 16
# The learning rates of the deep networks. The sigmoid has the best of several: no rate brings back its gradient.
RATES: dict[str, tuple[float, ...]] = {"sigmoid": (0.02, 0.3, 1.0, 3.0)}
RATE = 0.02
DEAD_B = -4.0


@dataclass(frozen=True)
class Config(LessonConfig):
    """The networks on the digits, odd or even: what is measured before training, and what is trained."""

    depths: tuple[int, ...] = (2, 4, 8, 16)
    """Numbers of hidden layers whose gradients are measured."""

    width: int = 32
    """Units of every hidden layer there."""

    depth: int = 8
    """Hidden layers of the deep network that is trained, of 16 units each."""

    iterations: int = 600
    """Parameter updates of every network; three times as many from dead units."""

    def check(self) -> None:
        super().check()
        if not self.depths or min(self.depths) < 2:
            raise InputError(f"--depths {' '.join(map(str, self.depths))}: expected numbers of layers, 2 or more")
        for name, value in (("width", self.width), ("depth", self.depth), ("iterations", self.iterations)):
            if value < 1:
                raise InputError(f"--{name} {value}: expected a whole number, 1 or more")


def network(kind: str, examples: Split, hidden: list[int], seed: int, b1: float = 0.0) -> Network:
    """A network for the examples with this activation in its hidden layers, and W as suits it."""
    activation, init = KINDS[kind]
    made = initialise(deep([examples.X.shape[0], *hidden, 1], activation).double(), init, seed)
    dict(made.notes_parameters())["b1"].data.fill_(b1)
    return made


def lengths(network: Network, examples: Split, *names: str) -> list[list[float]]:
    """For each of the names, such as dZ, the lengths of dZ1, dZ2, ... of the hidden layers in one sweep."""
    found = network.quantities(examples.X, examples.Y)
    layers = range(1, len(network.weights()))
    return [[found[f"{name}{layer}"].norm().item() for layer in layers] for name in names]


def per_layer(dZ: list[float]) -> float:
    """What the gradient's length is multiplied by from one layer to the one before it: the geometric mean."""
    # Where every unit of a layer is dead, nothing comes back at all.
    return float((dZ[0] / dZ[-1]) ** (1 / (len(dZ) - 1))) if dZ[-1] else 0.0


def descend(network: Network, examples: Split, alpha: float, iterations: int) -> list[float]:
    """Gradient descent: J before every update."""
    optimizer = GradientDescent(network.parameters(), learning_rate=alpha)
    costs = []
    for _ in range(iterations):
        costs.append(network.cost(examples.X, examples.Y).item())
        network.backward()
        optimizer.step()
    return costs


def experiment(config: Config, lesson: Lesson) -> Verdict:
    """Measure the gradients of untrained networks; train deep ones, shallow ones and dead ones."""
    train = load("digits", dtype=torch.float64, seed=config.seed).train
    figure = Figure(figsize=(13, 7.5), layout="constrained")
    slopes, by_layer, by_depth, *training = figure.subplots(2, 3).flat

    def curve(axis: Axes, kind: str, tag: str, points: Mapping[int, float]) -> None:
        """One curve, of the picture and of TensorBoard."""
        for step, value in points.items():
            lesson.scalars(kind, step, {tag: value})
        marker = "." if len(points) < 30 else ""
        axis.plot(list(points), list(points.values()), label=kind, marker=marker, **STYLES[kind])

    numbers: dict[str, float] = {}
    z = torch.linspace(-5, 5, 201, dtype=torch.float64)[None]
    for kind, (activation, _) in KINDS.items():
        g = activation()
        g(z)
        slopes.plot(z[0], g.backward(torch.ones_like(z))[0], label=kind, **STYLES[kind])
        dW1: dict[int, float] = {}
        for depth in sorted(config.depths):
            untrained = network(kind, train, [config.width] * depth, config.seed)
            dZ, dA, dW = lengths(untrained, train, "dZ", "dA", "dW")
            dW1[depth] = dW[0]
        curve(by_layer, kind, "dW_by_layer", dict(enumerate(dW, start=1)))
        curve(by_depth, kind, "dW1_by_depth", dW1)
        numbers[f"factor, {kind}"] = per_layer(dZ)
        numbers[f"largest |dZ|/|dA|, {kind}"] = max(
            after / before if before else 0.0 for after, before in zip(dZ, dA, strict=True)
        )

    for axis, tag, kinds, hidden, alpha, iterations, b1 in (
        (training[0], "deep", list(KINDS), [UNITS] * config.depth, RATE, config.iterations, 0.0),
        (training[1], "shallow", ["sigmoid", "tanh"], [UNITS], 0.3, config.iterations, 0.0),
        (training[2], "dead", ["ReLU", "leaky ReLU"], [UNITS], 2.0, 3 * config.iterations, DEAD_B),
    ):
        for kind in lesson.track(kinds, tag):
            best = math.inf
            for rate in RATES.get(kind, (alpha,)) if tag == "deep" else (alpha,):
                trained = network(kind, train, hidden, config.seed, b1)
                if tag == "shallow":
                    A1 = trained.quantities(train.X, train.Y)["A1"]
                    numbers[f"|mean of A1|, {kind}"] = A1.mean(dim=1).abs().mean().item()
                by_rate = descend(trained, train, rate, iterations)
                # The median, for a step may go too far and the next ones come back.
                if (J := statistics.median(by_rate[-max(1, iterations // 10) :])) < best:
                    best, costs = J, by_rate
                    numbers[f"alpha, {tag}, {kind}"] = rate
            curve(axis, kind, f"cost_{tag}", {i: costs[i] for i in range(0, iterations, 10)})
            numbers[f"cost, {tag}, {kind}"] = best
            if tag == "dead":
                Z1 = trained.quantities(train.X, train.Y)["Z1"]
                numbers[f"dead units, {kind}"] = (Z1 <= 0).all(dim=1).double().sum().item()
        axis.set(xlabel="iteration", ylabel="cost $J$")

    slopes.set(title="the derivative of $g$", xlabel="$z$", ylabel="$g'(z)$")
    by_layer.set(title=f"{max(config.depths)} hidden layers, untrained", xlabel="layer $l$", ylabel="$||dW^{[l]}||$")
    by_depth.set(title="the first layer's gradient", xlabel="hidden layers", ylabel="$||dW^{[1]}||$")
    by_layer.locator_params(axis="x", integer=True)
    by_layer.set_yscale("log")
    by_depth.set_yscale("log")
    training[0].set_title(f"{config.depth} hidden layers, $\\alpha = 0.02$ (sigmoid: the best)")
    training[1].set_title("one hidden layer, $\\alpha = 0.3$")
    training[2].set_title(f"all units dead at first: $b^{{[1]}} = {DEAD_B:g}$, $\\alpha = 2$")
    for axis in figure.axes:
        axis.grid(alpha=0.3)
        axis.legend(frameon=False)
    lesson.show(figure)

    # What b[L] alone can reach: the share of label 1 as every example's probability.
    share = train.Y.mean().item()
    guess = numbers["cost of guessing"] = -share * math.log(share) - (1 - share) * math.log(1 - share)
    n = numbers
    dead = [kind for kind in KINDS if not n[f"factor, {kind}"]]
    return Verdict(
        n["largest |dZ|/|dA|, sigmoid"] <= 0.25
        and n["factor, sigmoid"] < 0.3
        and all(0.7 < n[f"factor, {kind}"] < 1.4 for kind in ("ReLU", "leaky ReLU"))
        and n["cost, deep, sigmoid"] > 0.95 * guess
        and max(n["cost, deep, ReLU"], n["cost, deep, leaky ReLU"]) < 0.7 * guess
        and n["|mean of A1|, tanh"] < n["|mean of A1|, sigmoid"]
        and n["cost, shallow, tanh"] < n["cost, shallow, sigmoid"]
        and n["dead units, leaky ReLU"] < n["dead units, ReLU"] == UNITS
        and n["cost, dead, leaky ReLU"] < 0.95 * guess
        and n["cost, dead, ReLU"] > 0.999 * guess,
        f"a layer multiplies the gradient by {n['factor, sigmoid']:.2f} with sigmoid, by {n['factor, ReLU']:.2f} with "
        f"ReLU; {config.depth} hidden layers end at J = {n['cost, deep, sigmoid']:.3f} with sigmoid and the best of "
        f"alpha = {', '.join(f'{rate:g}' for rate in RATES['sigmoid'])} (guessing: {guess:.3f}), at "
        f"{n['cost, deep, ReLU']:.3f} with ReLU; dead ReLU units stay dead at J = "
        f"{n['cost, dead, ReLU']:.3f}, leaky ones come down to {n['cost, dead, leaky ReLU']:.3f}"
        + (
            f"; with {' and '.join(dead)} no gradient comes back: a layer of the untrained network is dead" * bool(dead)
        ),
        numbers,
    )


if __name__ == "__main__":
    main(Config, experiment)
