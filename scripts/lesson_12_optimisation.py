"""Mini-batches, momentum and Adam descend faster per pass; L2 and dropout narrow the gap to the test set.

One network, on digits (give --data train_catvnoncat.h5 for the course's cats), makes the same number of passes over the
training set in five ways: full-batch gradient descent, mini-batches, mini-batches with momentum, with Adam, and with
Adam whose learning rate decays,

    alpha = alpha_0 / (1 + decay pass).

Each way has the best of three learning rates, by the mean of J over the passes and the starts. The rates are divided by
n_x / 64: a step of size alpha changes z = w x by about alpha times a sum over the n_x inputs.

Then Adam fits few examples, so that the network learns them by heart: as it is, with L2 and with dropout. The gap is
J on the test set less J on the examples, without the penalty and without dropout. It is compared start by start, each
with its own examples and weights; the error that is given is the standard error of the mean difference. A network that
learns nothing has no gap: the claim holds only where the test set's own J isn't higher either, by two such errors.

Source: course 2, week 1, "Regularization" and "Dropout regularization"; week 2, "Mini-batch gradient descent",
"Gradient descent with momentum", "Adam optimization algorithm" and "Learning rate decay".
"""

import math
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import torch
import tyro
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from torchbasics.data import load
from torchbasics.data.base import Data, Split
from torchbasics.errors import InputError
from torchbasics.initialisation import initialise
from torchbasics.lessons.drawing import COLOURS
from torchbasics.lessons.lesson import Lesson, LessonConfig, Verdict, main
from torchbasics.models import deep
from torchbasics.regularisation import L2
from torchbasics.training.batches import Batches
from torchbasics.training.engines import ManualEngine, likeliest

DECAY = 0.2
# Name: optimizer, learning rates for 64 inputs, mini-batches or all, decay.
WAYS: dict[str, tuple[str, tuple[float, ...], bool, float]] = {
    "full batch": ("gd", (0.1, 0.3, 1.0), False, 0.0),
    "mini-batch": ("gd", (0.1, 0.3, 1.0), True, 0.0),
    "momentum": ("momentum", (0.03, 0.1, 0.3), True, 0.0),
    "adam": ("adam", (0.003, 0.01, 0.03), True, 0.0),
    "adam decaying": ("adam", (0.003, 0.01, 0.03), True, DECAY),
}


@dataclass(frozen=True)
class Config(LessonConfig):
    """The data, the network and how long it descends."""

    data: Annotated[str | None, tyro.conf.arg(metavar="FILE")] = None
    """A training file of the course's schema, its test file beside it; by default the digits, odd or even."""

    hidden: tuple[int, ...] = (64, 32)
    """Units of the hidden layers."""

    passes: int = 15
    """Passes over the training set, in each of the five ways."""

    starts: int = 3
    """Seeds that each way and rate is tried with."""

    examples: int = 200
    """Training examples that are learnt by heart."""

    gap_passes: int = 60
    """Passes over them."""

    gap_starts: int = 16
    """Seeds with which the gap is measured."""

    l2: float = 0.3
    """lambda of L2."""

    keep_prob: float = 0.3
    """Share of the hidden units that dropout keeps."""

    def check(self) -> None:
        super().check()
        for name, least in (("passes", 1), ("starts", 1), ("examples", 2), ("gap_passes", 1), ("gap_starts", 2)):
            if (value := getattr(self, name)) < least:
                raise InputError(f"--{name.replace('_', '-')} {value}: expected a whole number, {least} or more")
        if not self.hidden or min(self.hidden) < 1:
            raise InputError(f"--hidden {' '.join(map(str, self.hidden))}: expected whole numbers, 1 or more")
        if not 0 < self.l2 < math.inf:
            raise InputError(f"--l2 {self.l2}: expected a positive number, such as 0.3")
        if not 0 < self.keep_prob < 1:
            raise InputError(f"--keep-prob {self.keep_prob}: expected a share between 0 and 1, both excluded")
        self.load(0)

    def load(self, start: int) -> Data:
        """The data of a start."""
        data = load(self.data or "digits", dtype=torch.float32, seed=self.seed_of(start))
        if data.train.X.ndim != 2 or len(data.classes) != 2:
            raise InputError(
                f"--data {self.data}: expected examples of two classes, as a training file of pictures has"
            )
        return data

    def seed_of(self, start: int) -> int:
        """Every start has its own."""
        return (self.seed + start) % 2**32


def passes(engine: ManualEngine, batches: Batches, count: int, decay: float = 0.0) -> Iterator[int]:
    """Train; yield the number of every pass that is over."""
    scheduler = torch.optim.lr_scheduler.LambdaLR(engine.optimizer, lambda k: 1 / (1 + decay * k))
    for k in range(1, count + 1):
        for _ in range(-(-batches.split.m // batches.size)):
            engine.cost_and_gradients(*batches.next())
            engine.update()
        scheduler.step()
        yield k


def descent(config: Config, data: Data, way: str, rate: float, seed: int) -> list[float]:
    """J on the whole training set after each pass."""
    optimizer, _, mini, decay = WAYS[way]
    network = initialise(deep([data.n_x, *config.hidden, 1]).to(data.train.X.dtype), "he", seed)
    engine = ManualEngine(network, optimizer, rate * 64 / data.n_x)
    batches = Batches(data.train, 64 if mini else None, seed)
    X, Y = data.train.X, data.train.Y
    return [engine.cost_and_predictions(X, Y)[0].item() for _ in passes(engine, batches, config.passes, decay)]


@dataclass(frozen=True)
class Fit:
    """What learning a few examples by heart came to, after each pass."""

    train: list[float]
    test: list[float]
    right: float
    """The share of the test set that is classified rightly at the end."""

    @property
    def gap(self) -> float:
        """J on the test set less J on the examples."""
        return self.test[-1] - self.train[-1]


def fit(config: Config, data: Data, seed: int, l2: float, keep_prob: float) -> Fit:
    """Learn `examples` of the training set, drawn by the seed, by heart."""
    order = torch.randperm(data.train.m, generator=torch.Generator().manual_seed(seed))[: config.examples]
    few = Split(data.train.X[:, order], data.train.Y[:, order])
    network = deep([data.n_x, *config.hidden, 1], keep_prob=keep_prob, seed=seed).to(few.X.dtype)
    initialise(network, "he", seed)
    if l2:
        network.penalties.append(L2(l2))
    engine = ManualEngine(network, "adam", 0.003 * 64 / data.n_x)
    train: list[float] = []
    test: list[float] = []
    for _ in passes(engine, Batches(few, 32, seed), config.gap_passes):
        for part, costs in ((few, train), (data.test, test)):
            J, A = engine.loss_and_predictions(part.X, part.Y)
            costs.append(J.item())
    return Fit(train, test, (likeliest(A) == data.test.Y).double().mean().item())


def mean(curves: list[list[float]]) -> list[float]:
    """The mean of several starts' curves, point by point."""
    return [statistics.fmean(values) for values in zip(*curves, strict=True)]


def mean_and_error(values: list[float]) -> tuple[float, float]:
    """The mean of several starts' values, and its standard error."""
    return statistics.fmean(values), statistics.stdev(values) / math.sqrt(len(values))


def draw_curves(axis: Axes, title: str, labels: tuple[str, str]) -> None:
    """What both pictures of curves have."""
    axis.set_yscale("log")
    axis.set_title(title, fontsize=11)
    axis.set_xlabel(labels[0])
    axis.set_ylabel(labels[1])
    axis.grid(alpha=0.3)
    axis.legend(frameon=False, fontsize=9)


def experiment(config: Config, lesson: Lesson) -> Verdict:
    """Descend in five ways, each with its best rate; then measure the gap without and with L2 and dropout."""
    figure = Figure(figsize=(14, 4.4), layout="constrained")
    by_pass, by_heart, gaps = figure.subplots(1, 3)
    sets = [config.load(start) for start in range(max(config.starts, config.gap_starts))]

    speeds: dict[str, float] = {}
    tries = [(way, rate) for way, (_, rates, *_) in WAYS.items() for rate in rates]
    found: dict[tuple[str, float], list[float]] = {}
    for way, rate in lesson.track(tries, "five ways down"):
        found[way, rate] = mean([descent(config, sets[k], way, rate, config.seed_of(k)) for k in range(config.starts)])
    for colour, (way, (_, rates, *_)) in zip(COLOURS, WAYS.items(), strict=False):
        # A rate that is far too large ends in NaN, which is no number to compare.
        areas = {rate: statistics.fmean(found[way, rate]) for rate in rates}
        best = min(rates, key=lambda rate: areas[rate] if math.isfinite(areas[rate]) else math.inf)
        speeds[way] = areas[best]
        for k, J in enumerate(found[way, best], start=1):
            lesson.scalars(way, k, {"cost": J})
        by_pass.plot(range(1, config.passes + 1), found[way, best], color=colour, label=rf"{way}, $\alpha$ = {best:g}")
    draw_curves(by_pass, f"{sets[0].name}: training", ("pass", "cost J"))

    regularised = {"nothing": (0.0, 1.0), "L2": (config.l2, 1.0), "dropout": (0.0, config.keep_prob)}
    fits: dict[str, list[Fit]] = {name: [] for name in regularised}
    for k in lesson.track(range(config.gap_starts), "learning by heart"):
        for name, (l2, keep_prob) in regularised.items():
            fits[name].append(fit(config, sets[k], config.seed_of(k), l2, keep_prob))
    for column, (colour, (name, of)) in enumerate(zip(COLOURS, fits.items(), strict=False)):
        train, test = mean([each.train for each in of]), mean([each.test for each in of])
        for k, values in enumerate(zip(train, test, strict=True), start=1):
            lesson.scalars(name, k, dict(zip(("training cost", "test cost"), values, strict=True)))
        by_heart.plot(range(1, config.gap_passes + 1), test, color=colour, label=f"{name}: test")
        by_heart.plot(range(1, config.gap_passes + 1), train, color=colour, linestyle="--", label=f"{name}: training")
        gaps.scatter([column] * len(of), [each.gap for each in of], color=colour, s=22)
        gaps.hlines(statistics.fmean(each.gap for each in of), column - 0.25, column + 0.25, color=colour)
    draw_curves(by_heart, f"{min(config.examples, sets[0].train.m)} examples by heart", ("pass", "J without penalty"))
    gaps.set_xticks(range(len(fits)), list(fits))
    gaps.set_title("the gap, start by start, and its mean", fontsize=11)
    gaps.set_ylabel("test J less training J")
    gaps.set_ylim(bottom=min(0.0, *(each.gap for of in fits.values() for each in of)))
    lesson.show(figure)

    numbers = {f"mean cost, {way}": speed for way, speed in speeds.items()}
    told, narrower = [], True
    for name, of in fits.items():
        gap, right = (statistics.fmean(values) for values in zip(*((each.gap, each.right) for each in of), strict=True))
        numbers |= {f"gap, {name}": gap, f"test accuracy, {name}": right}
        if name == "nothing":
            told.append(f"{gap:.3f} with nothing")
            continue
        before = fits["nothing"]
        less, error = mean_and_error([a.gap - b.gap for a, b in zip(before, of, strict=True)])
        worse, error_of_worse = mean_and_error([b.test[-1] - a.test[-1] for a, b in zip(before, of, strict=True)])
        narrower = narrower and less > 2 * error and worse < 2 * error_of_worse
        numbers |= {f"narrower by, {name}": less, f"error, {name}": error, f"test cost higher by, {name}": worse}
        told.append(f"{gap:.3f} with {name} (narrower by {less:.3f} +- {error:.3f})")
    return Verdict(
        speeds["mini-batch"] < 0.9 * speeds["full batch"]
        and max(speeds["momentum"], speeds["adam"]) < 0.9 * speeds["mini-batch"]
        and narrower,
        f"the mean cost of {config.passes} passes is "
        + ", ".join(f"{speed:.3f} ({way})" for way, speed in speeds.items())
        + "; the gap in cost is "
        + ", ".join(told)
        + "; test accuracy "
        + ", ".join(f"{numbers[f'test accuracy, {name}']:.1%}" for name in fits),
        numbers,
    )


if __name__ == "__main__":
    main(Config, experiment)
