r"""Zero initialisation keeps hidden units identical for ever; random numbers break it, at the right scale.

Units j and k of layer l whose rows of W[l] and entries of b[l] are equal compute the same; if the next layer reads them
with equal columns, they get the same gradient, and are the same after every update:

    z_j = w_j A[l-1] + b_j,   dZ[l] = W[l+1]^T dZ[l+1] * g'(Z[l]),   dw_j = 1/m dz_j A[l-1]^T

From zeros with g(0) = 0 (tanh, ReLU) even less happens: A[1] = ... = 0 and W[l+1]^T dZ[l+1] = 0, so that every dW is 0
and b[L] alone moves. Random numbers start the units apart, and training takes them further apart, which is measured
by how many times; with two hidden layers 0.01 randn is too small for that within these updates.

With W = s randn and n inputs, each layer of ReLU multiplies the mean square of the signal by n s^2 / 2, so that over
many layers it vanishes (s = 0.01), explodes (s = 1) or stays (He, s^2 = 2 / n); tanh near 0 by n s^2 (Xavier,
s^2 = 1 / n), and far from 0 it saturates, where g' is near 0.

All on 300 of the digits, odd or even. "For ever" holds of real numbers: a product of matrices may sum for one row in
another order than for its equal. With the 8 and 4 units here it did not; with 5 units of tanh, all weights 0.1, the
difference of 1e-17 that this made grew to 0.16 in 3,000 updates on 500 digits.

Source: week 3, "Random initialization"; He et al. 2015 and Glorot and Bengio 2010, as in `torchbasics.initialisation`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from torchbasics.data import load
from torchbasics.data.base import Split
from torchbasics.errors import InputError
from torchbasics.initialisation import SCALES, initialise
from torchbasics.lessons.drawing import COLOURS
from torchbasics.lessons.lesson import Lesson, LessonConfig, Verdict, main
from torchbasics.models import ACTIVATIONS, deep
from torchbasics.network import Network
from torchbasics.optim import GradientDescent

M = 300
# How W starts beside what `torchbasics.initialisation` has: s randn.
LARGE = {"randn": 1.0, "10 randn": 10.0}
CONSTANT = 0.1
WORDS = {"zeros": "zeros", "small": "0.01 randn", "xavier": "Xavier", "he": "He", "randn": "randn"}


@dataclass(frozen=True)
class Config(LessonConfig):
    """The networks and how long they are trained."""

    iterations: int = 300
    """Parameter updates of every network."""

    depth: int = 20
    """Layers of the deep network on which the scales are compared."""

    width: int = 48
    """Units in each of its hidden layers."""

    def check(self) -> None:
        super().check()
        for name, value, least in (
            ("iterations", self.iterations, 1),
            ("depth", self.depth, 3),
            ("width", self.width, 1),
        ):
            if value < least:
                raise InputError(f"--{name} {value}: expected a whole number, {least} or more")


def network(sizes: Sequence[int], activation: str, start: str, seed: int) -> Network:
    """A network in double precision whose weights start as SCALES or LARGE have it, or all at one constant."""
    made = initialise(deep(sizes, ACTIVATIONS[activation]).double(), start if start in SCALES else "small", seed)
    for W in made.weights():
        if start == "constant":
            W.data.fill_(CONSTANT)
        elif start in LARGE:
            W.data.mul_(LARGE[start] / 0.01)
    return made


def train(of: Network, train: Split, learning_rate: float, iterations: int, lesson: Lesson, run: str) -> float:
    """Descend, while J is a number; return J at the end."""
    optimizer = GradientDescent(of.parameters(), learning_rate)
    for i in range(iterations):
        J = of.cost(train.X, train.Y)
        of.backward()
        if not J.isfinite():
            break
        optimizer.step()
        if i % 10 == 0:
            lesson.scalars(run, i, {"cost": J.item(), "units apart": units_apart(of)})
    return of.cost(train.X, train.Y).item()


def units_apart(of: Network) -> float:
    """The most by which a unit of a hidden layer differs from its layer's first: in w and b, in dw and db, and in the
    column by which the next layer reads it.
    """
    tensors = dict(of.notes_parameters())
    L = len(tensors) // 2
    apart = 0.0
    for layer in range(1, L):
        W, b = tensors[f"W{layer}"], tensors[f"b{layer}"]
        assert W.grad is not None
        assert b.grad is not None
        for rows in (W, b, W.grad, b.grad, tensors[f"W{layer + 1}"].T):
            apart = max(apart, (rows - rows[:1]).abs().max().item())
    return apart


def follow(of: Network, data: Split) -> tuple[list[float], list[float]]:
    """The standard deviation of A[l] in the hidden layers, and the norm of dW[l] in all, before any update."""
    found = of.quantities(data.X, data.Y)
    L = len(of.weights())
    signal = [found[f"A{layer}"].std().item() for layer in range(1, L)]
    return signal, [found[f"dW{layer}"].norm().item() for layer in range(1, L + 1)]


def part(config: Config, lesson: Lesson, data: Split) -> tuple[dict[str, float], dict[str, Tensor]]:
    """Train from equal and from random weights; how far units come apart, and pictures of W[1].

    Random weights are apart before any update: what counts is by how many times they are further apart after the last.
    """
    equal, still = 0.0, True
    growth = {1: math.inf, 2: math.inf}
    images: dict[str, Tensor] = {}
    trials = [
        (start, activation, hidden)
        for start in ("zeros", "constant", "small")
        for activation in ("sigmoid", "tanh", "relu")
        for hidden in ([8], [8, 4])
    ]
    for start, activation, hidden in lesson.track(trials, "equal or random"):
        trained = network([len(data.X), *hidden, 1], activation, start, config.seed)
        before = {name: parameter.clone() for name, parameter in trained.notes_parameters()}
        trained.cost(data.X, data.Y)
        trained.backward()
        start_apart = units_apart(trained)
        train(trained, data, 0.3, config.iterations, lesson, f"{start}, {activation}, {len(hidden)} hidden")
        after = dict(trained.notes_parameters())
        apart = units_apart(trained)
        if start == "small":
            growth[len(hidden)] = min(growth[len(hidden)], apart / start_apart)
        else:
            equal = max(equal, apart)
        if start == "zeros" and activation != "sigmoid":
            moved = [name for name, value in before.items() if not torch.equal(value, after[name])]
            still = still and moved == [f"b{len(hidden) + 1}"]
        if (activation, hidden) == ("sigmoid", [8]) and start != "constant":
            images[f"$W^{{[1]}}$, sigmoid, {config.iterations} updates from {WORDS[start]}"] = after["W1"]
    numbers = {"equal_apart": equal, "random_growth": growth[1], "random_growth_2_hidden": growth[2]}
    return numbers | {"zeros_stand_still": float(still)}, images


def draw(images: dict[str, Tensor], curves: dict[str, dict[str, list[float]]]) -> Figure:
    """W[1] after training from zeros and from random numbers; the signal and the gradient by layer."""
    figure = Figure(figsize=(13, 7), layout="constrained")
    panels = figure.subplots(2, 3)
    for (title, W), axis in zip(images.items(), panels[:, 0], strict=True):
        image = axis.imshow(W.numpy(), aspect="auto", cmap="RdBu", interpolation="nearest")
        axis.set(title=title, xlabel="pixel", ylabel="unit", yticks=range(len(W)))
        figure.colorbar(image, ax=axis)
    for (title, starts), axis in zip(curves.items(), panels[:, 1:].flat, strict=True):
        for (start, values), colour in zip(starts.items(), COLOURS, strict=False):
            # 0, of layers whose every unit is dead, has no place on this axis.
            shown = [value or math.nan for value in values]
            axis.semilogy(range(1, len(shown) + 1), shown, ".-", label=WORDS[start], color=colour)
        axis.set(title=title, xlabel="layer l")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.grid(alpha=0.3)
    panels[0, 1].legend(frameon=False)
    return figure


def experiment(config: Config, lesson: Lesson) -> Verdict:
    """Train from equal and from random weights; then follow signal and gradient through many layers."""
    digits = load("digits", dtype=torch.float64, seed=config.seed).train
    data = Split(digits.X[:, :M], digits.Y[:, :M])
    numbers, images = part(config, lesson, data)
    for start in ("small", "10 randn"):
        first = network([len(data.X), config.width, 1], "tanh", start, config.seed).layers[0]
        numbers[f"tanh_let_through_{start.replace(' ', '_')}"] = (1 - torch.tanh(first(data.X)) ** 2).mean().item()

    sizes = [len(data.X), *[config.width] * (config.depth - 1), 1]
    curves: dict[str, dict[str, list[float]]] = {}
    ends = {}
    trials = [(activation, start) for activation in ("tanh", "relu") for start in ("small", "xavier", "he", "randn")]
    for activation, start in lesson.track(trials, "deep"):
        made = network(sizes, activation, start, config.seed)
        signal, gradient = follow(made, data)
        curves.setdefault(f"standard deviation of $A^{{[l]}}$, {activation}", {})[start] = signal
        curves.setdefault(f"norm of $dW^{{[l]}}$, {activation}", {})[start] = gradient
        run = f"{start}, {activation}, {config.depth} layers"
        for layer, values in enumerate(zip(signal, gradient, strict=False), start=1):
            lesson.scalars(run, layer, dict(zip(("by layer/std A", "by layer/norm dW"), values, strict=True)))
        numbers[f"{activation}_{start}_signal"] = signal[-1] / signal[0] if signal[0] else 0.0
        numbers[f"{activation}_{start}_gradient"] = gradient[0]
        J = train(made, data, 0.03, config.iterations, lesson, run)
        ends[activation, start] = f"{J:.3g}" if math.isfinite(J) else "overflow"
        numbers[f"{activation}_{start}_cost"] = J if math.isfinite(J) else math.inf
    lesson.show(draw(images, {title: curves[title] for title in sorted(curves, reverse=True)}))
    return Verdict(
        numbers["equal_apart"] < 1e-9
        and numbers["random_growth"] > 2
        and numbers["zeros_stand_still"] == 1
        and numbers["tanh_let_through_10_randn"] < 0.1 < 0.9 < numbers["tanh_let_through_small"]
        and max(numbers["relu_small_signal"], numbers["tanh_small_signal"]) < 1e-3
        and 0.01 < numbers["tanh_xavier_signal"] < 100
        and 0.01 < numbers["relu_he_signal"] < 100
        and numbers["relu_randn_signal"] > 1e3
        and numbers["relu_he_cost"] < numbers["relu_small_cost"] - 0.05,
        f"after {config.iterations} updates a layer's units differ by {numbers['equal_apart']:.1g} from zeros or a "
        f"constant (from zeros, tanh and ReLU move b[L] alone), from 0.01 randn they come to be "
        f"{numbers['random_growth']:.2g} times as far apart as at the start, or more (with two hidden layers "
        f"{numbers['random_growth_2_hidden']:.2g} times); over {config.depth - 1} hidden ReLU layers the signal "
        f"changes by {numbers['relu_small_signal']:.0e} from 0.01 randn, "
        f"{numbers['relu_he_signal']:.2g} from He, {numbers['relu_randn_signal']:.0e} from randn, and "
        f"J ends at {ends['relu', 'small']}, {ends['relu', 'he']} and {ends['relu', 'randn']}; 10 randn lets "
        f"{numbers['tanh_let_through_10_randn']:.0%} of a gradient through tanh, 0.01 randn "
        f"{numbers['tanh_let_through_small']:.0%}",
        numbers,
    )


if __name__ == "__main__":
    main(Config, experiment)
