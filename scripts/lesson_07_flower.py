"""One hidden layer bends the boundary that logistic regression cannot.

Logistic regression says label 1 where w^T x + b > 0: on one side of a straight line, which crosses a circle at two
points or at none. With one hidden layer,

    Z1 = W1 X + b1, A1 = tanh(Z1), Z2 = W2 A1 + b2, A2 = sigma(Z2),

the boundary Z2 = 0 bends, from two units on; with one it is a straight line still, tanh(z) being monotone. Both models
are trained on the flower, the hidden layers from the course's own random numbers and with its learning rate, with as
many units as the course tries; each is then asked about fresh points of the same flower. How often its boundary crosses
the circle of radius 2, which all petals reach, says how bent it is.

Source: week 3's application, "Planar data classification with one hidden layer", where scikit-learn's logistic
regression gets 47 % of the training set.
"""

from dataclasses import dataclass

import torch
from matplotlib.figure import Figure

from torchbasics.data import load
from torchbasics.errors import InputError
from torchbasics.initialisation import initialise
from torchbasics.lessons.drawing import boundary
from torchbasics.lessons.lesson import Lesson, LessonConfig, Verdict, main
from torchbasics.models import logistic, shallow
from torchbasics.network import Network
from torchbasics.optim import GradientDescent
from torchbasics.training.record import accuracy

COLUMNS = 4


@dataclass(frozen=True)
class Config(LessonConfig):
    """The hidden layers that are tried, and their training."""

    seed: int = 2
    """Seed of W and of the points to test on; with the course's own, 2, W starts as there."""

    sizes: tuple[int, ...] = (1, 2, 3, 4, 5, 20, 50)
    """Numbers of hidden units."""

    iterations: int = 5000
    """Parameter updates of each network."""

    learning_rate: float = 1.2
    """alpha."""

    def check(self) -> None:
        super().check()
        if not self.sizes or min(self.sizes) < 1:
            raise InputError(f"--sizes {' '.join(map(str, self.sizes))}: expected numbers of hidden units, 1 or more")
        if self.iterations < 1:
            raise InputError(f"--iterations {self.iterations}: expected a whole number, 1 or more")
        if not 0 < self.learning_rate < float("inf"):
            raise InputError(f"--learning-rate {self.learning_rate}: expected a positive number, such as 1.2")


def network(size: int, seed: int) -> Network:
    """Logistic regression for a size of 0, otherwise a hidden layer of so many units; W = 0.01 randn, b = 0."""
    return initialise((shallow(2, size) if size else logistic(2)).double(), "small", seed)


def crossings(network: Network, radius: float = 2.0, steps: int = 3600) -> float:
    """How often the boundary A2 = 1/2 crosses the circle of this radius around 0."""
    angle = torch.arange(steps, dtype=torch.float64) * (2 * torch.pi / steps)
    inside = network(radius * torch.stack([angle.cos(), angle.sin()]))[0] > 0.5
    found: float = (inside != inside.roll(1)).double().sum().item()
    return found


def experiment(config: Config, lesson: Lesson) -> Verdict:
    """Train logistic regression and hidden layers of every size; draw where each decides."""
    data = load("flower", dtype=torch.float64, seed=config.seed)
    sizes = [0, *dict.fromkeys(config.sizes)]
    rows = -(-len(sizes) // COLUMNS)
    figure = Figure(figsize=(3.4 * COLUMNS, 3.5 * rows), layout="constrained")
    panels = figure.subplots(rows, COLUMNS, squeeze=False, sharex=True, sharey=True).flat
    train: dict[int, float] = {}
    test: dict[int, float] = {}
    bends: dict[int, float] = {}
    for size in lesson.track(sizes, "hidden layers"):
        trained = network(size, config.seed)
        name = "logistic regression" if not size else "1 unit" if size == 1 else f"{size} units"
        optimizer = GradientDescent(trained.parameters(), config.learning_rate)
        for i in range(config.iterations):
            J = trained.cost(data.train.X, data.train.Y)
            trained.backward()
            optimizer.step()
            if i % 50 == 0:
                lesson.scalars(name, i, {"cost": J.item()})
        train[size], test[size] = (accuracy(trained(part.X), part.Y) for part in (data.train, data.test))
        bends[size] = crossings(trained)
        lesson.scalars("train", size, {"accuracy_by_units": train[size]})
        lesson.scalars("test", size, {"accuracy_by_units": test[size]})
        axis = next(panels)
        boundary(axis, trained, data.train.X, data.train.Y)
        axis.set_title(f"{name}: {train[size]:.2%}, test {test[size]:.2%}", fontsize=10)
        axis.label_outer()
    for axis in panels:
        axis.set_axis_off()
    lesson.show(figure)

    best, largest = max(sizes[1:], key=lambda size: train[size]), max(sizes)
    return Verdict(
        train[best] > train[0] + 0.3 and test[best] > test[0] + 0.3 and bends[0] <= 2 < bends[best],
        f"logistic regression gets {train[0]:.2%} of the flower, {best} hidden units get {train[best]:.2%}, and of "
        f"fresh points {test[best]:.2%}; the boundaries cross a circle {bends[0]:.0f} and {bends[best]:.0f} "
        f"times; the most units, {largest}, get {train[largest]:.2%} and of fresh points {test[largest]:.2%}",
        {
            "best size": float(best),
            **{f"train accuracy, {size} units": value for size, value in train.items()},
            **{f"test accuracy, {size} units": value for size, value in test.items()},
            **{f"crossings, {size} units": value for size, value in bends.items()},
        },
    )


if __name__ == "__main__":
    main(Config, experiment)
