"""More data and larger networks: accuracy grows with both.

Convolutional networks of three sizes learn from a growing part of the training set and are asked about the test set: on
digits, odd or even (give --data train_cifar_cat.h5 for cats in photographs). All make the same number of updates with
Adam, so that more data is not also more training. Every start draws its own part and first weights, and its own split
where the data has no test set; the bars are the standard deviation over the starts.

The corners are compared: all examples with the fewest, for the largest network; and the largest network with the
smallest, on all examples. The difference of two accuracies p and p', each the mean of K starts with standard deviations
s and s' and measured on m test examples, has the standard error

    sqrt( (s^2 + s'^2) / K + (p (1 - p) + p' (1 - p')) / m )

and counts from two of them on.

Source: week 1, "Why is deep learning taking off?", whose figure this is.
"""

import math
import statistics
from dataclasses import dataclass
from typing import Annotated

import torch
import tyro
from matplotlib.figure import Figure

from torchbasics.data import load
from torchbasics.data.base import Data, Split
from torchbasics.errors import InputError
from torchbasics.initialisation import initialise
from torchbasics.lessons.drawing import COLOURS
from torchbasics.lessons.lesson import Lesson, LessonConfig, Verdict, main
from torchbasics.models import cnn
from torchbasics.training.batches import Batches
from torchbasics.training.build import inputs_of
from torchbasics.training.engines import ManualEngine, likeliest

# Channels of the convolutions, and then the units of the fully connected layer.
SIZES = {"small": (2, 4), "medium": (4, 16), "large": (8, 16, 32)}


@dataclass(frozen=True)
class Config(LessonConfig):
    """The pictures, how many of them, and how long they are learnt."""

    data: Annotated[str | None, tyro.conf.arg(metavar="FILE")] = None
    """A training file of the course's schema, its test file beside it; by default the digits, odd or even."""

    examples: tuple[int, ...] = (100, 300, 1000, 4000)
    """Sizes of the training set; all that there are, where one is larger."""

    updates: int = 400
    """Parameter updates of every network, each on 64 examples, or on what is left of a pass over fewer."""

    starts: int = 3
    """Seeds that every size is tried with."""

    def check(self) -> None:
        super().check()
        for name, least in (("updates", 1), ("starts", 2)):
            if (value := getattr(self, name)) < least:
                raise InputError(f"--{name} {value}: expected a whole number, {least} or more")
        shown = " ".join(map(str, self.examples))
        if not self.examples or min(self.examples) < 1:
            raise InputError(f"--examples {shown}: expected whole numbers, 1 or more")
        data = self.load(0)
        if len(counts(self, data)) < 2:
            raise InputError(
                f"--examples {shown}: {data.name} has {data.train.m} training examples; expected two sizes or more"
            )

    def load(self, start: int) -> Data:
        """The pictures of a start."""
        data = load(self.data or "digits", dtype=torch.float32, seed=(self.seed + start) % 2**32)
        image = data.image
        if image is None or data.structured or len(data.classes) != 2 or min(image.height, image.width) < 4:
            raise InputError(f"--data {self.data}: expected pictures of two classes, of 4x4 pixels or more")
        return data


def counts(config: Config, data: Data) -> list[int]:
    """The sizes of the training set, smallest first."""
    return sorted({min(count, data.train.m) for count in config.examples})


def accuracy(data: Data, hidden: tuple[int, ...], count: int, updates: int, seed: int) -> float:
    """The share of the test set that a network gets right that has learnt `count` of the training examples."""
    # A smaller part is in every larger one.
    order = torch.randperm(data.train.m, generator=torch.Generator().manual_seed(seed))[:count]
    part = Split(data.train.X[:, order], data.train.Y[:, order])
    engine = ManualEngine(initialise(cnn(inputs_of(data), hidden), "he", seed), "adam", 0.003)
    batches = Batches(part, 64, seed)
    for _ in range(updates):
        engine.cost_and_gradients(*batches.next())
        engine.update()
    p = engine.cost_and_predictions(data.test.X, data.test.Y)[1]
    return (likeliest(p) == data.test.Y).double().mean().item()


def gain(before: list[float], after: list[float], m: int) -> tuple[float, float]:
    """How much higher the second accuracy is, in the mean of the starts, and the standard error of it."""
    p, q = statistics.fmean(before), statistics.fmean(after)
    over_starts = (statistics.variance(before) + statistics.variance(after)) / len(before)
    return q - p, math.sqrt(over_starts + (p * (1 - p) + q * (1 - q)) / m)


def experiment(config: Config, lesson: Lesson) -> Verdict:
    """Train every size of network on every size of training set, several times."""
    sets = [config.load(start) for start in range(config.starts)]
    m_train = counts(config, sets[0])
    figure = Figure(figsize=(8, 5), layout="constrained")
    axis = figure.subplots()
    found: dict[tuple[str, int], list[float]] = {}
    for name, count in lesson.track([(name, count) for name in SIZES for count in m_train], "learning"):
        found[name, count] = [
            accuracy(data, SIZES[name], count, config.updates, (config.seed + k) % 2**32) for k, data in enumerate(sets)
        ]
        lesson.scalars(name, count, {"test accuracy": statistics.fmean(found[name, count])})
    for colour, (name, hidden) in zip(COLOURS, SIZES.items(), strict=False):
        parameters = sum(parameter.numel() for parameter in cnn(inputs_of(sets[0]), hidden).parameters())
        means = [statistics.fmean(found[name, count]) for count in m_train]
        spread = [statistics.stdev(found[name, count]) for count in m_train]
        axis.errorbar(
            m_train, means, spread, marker="o", capsize=4, color=colour, label=f"{name}: {parameters:,} weights"
        )
    axis.set_xscale("log")
    axis.set_xticks(m_train, [f"{count:,}" for count in m_train])
    axis.minorticks_off()
    axis.set_xlabel("training examples m")
    axis.set_ylabel("test accuracy")
    axis.set_title(f"{sets[0].name}: {config.updates} updates of every network, {config.starts} starts", fontsize=11)
    axis.grid(alpha=0.3)
    axis.legend(frameon=False)
    lesson.show(figure)

    (small, *_, large), (few, *_, every), m = SIZES, m_train, sets[0].test.m
    data_gain, data_error = gain(found[large, few], found[large, every], m)
    size_gain, size_error = gain(found[small, every], found[large, every], m)
    shares = {f"{name}, {count}": statistics.fmean(values) for (name, count), values in found.items()}
    return Verdict(
        data_gain > 2 * data_error and size_gain > 2 * size_error,
        f"on the test set of {sets[0].name} the large network gets {shares[f'{large}, {few}']:.1%} right from {few} "
        f"examples and {shares[f'{large}, {every}']:.1%} from {every} ({data_gain:+.1%} +- {data_error:.1%}); "
        f"from {every} the small one gets {shares[f'{small}, {every}']:.1%} (large less small: {size_gain:+.1%} +- "
        f"{size_error:.1%})",
        shares | {"data": data_gain, "error, data": data_error, "size": size_gain, "error, size": size_error},
    )


if __name__ == "__main__":
    main(Config, experiment)
