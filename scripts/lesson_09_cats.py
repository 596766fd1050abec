"""On the same pictures, a deeper network and then convolution get more right.

Logistic regression, one hidden layer, a deep network and a convolutional one learn the same pictures with Adam: on
digits, odd or even, each at a place of its own in 12x12 pixels, as a cat may be anywhere in a photograph (give --data
train_catvnoncat.h5 for the course's cats). Every start has other first weights and, of the digits, another split.

Right or wrong is one number for every network and test picture, r = 0 or 1, and the mean of it over the starts in whose
test set the picture is. With N different pictures the share that is right, p, has the standard error
sqrt(p (1 - p) / N), and the difference of two networks, d = r' - r picture by picture,

    std(d) / sqrt(N),

which is smaller, since what is hard for one is hard for the other. A step of the claim counts from two such errors on,
which on the course's 50 test pictures are more than ten of a hundred: they can't tell networks apart that are closer.

Source: week 2, "Logistic regression", to week 4, "Deep neural network for image classification: application"; course
4, week 1, "CNN example".
"""

import math
import statistics
import zlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated

import torch
import tyro
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor
from torch.utils.tensorboard import summary

from torchbasics.data import load
from torchbasics.data.base import Data, ImageShape, Split
from torchbasics.errors import InputError
from torchbasics.initialisation import initialise
from torchbasics.layers import ReLU
from torchbasics.lessons.drawing import COLOURS
from torchbasics.lessons.lesson import Lesson, LessonConfig, Verdict, main
from torchbasics.models import cnn, deep, logistic, shallow
from torchbasics.network import Network
from torchbasics.training.batches import Batches
from torchbasics.training.build import inputs_of
from torchbasics.training.engines import ManualEngine, likeliest
from torchbasics.training.pictures import weight_images

NAMES = ("logistic", "shallow", "deep", "cnn")
SHOWN = 5
SIDE = 12


@dataclass(frozen=True)
class Config(LessonConfig):
    """The pictures, and how long they are learnt."""

    data: Annotated[str | None, tyro.conf.arg(metavar="FILE")] = None
    """A training file of the course's schema, its test file beside it; by default the digits, moved about."""

    passes: int = 20
    """Passes over the training set."""

    starts: int = 3
    """Seeds of the first weights and of the split."""

    def check(self) -> None:
        super().check()
        for name in ("passes", "starts"):
            if (value := getattr(self, name)) < 1:
                raise InputError(f"--{name} {value}: expected a whole number, 1 or more")
        self.load(0)

    def load(self, start: int) -> Data:
        """The pictures of a start."""
        data = load(self.data or "digits", dtype=torch.float32, seed=self.seed_of(start))
        image = data.image
        if image is None or data.structured or len(data.classes) != 2 or min(image.height, image.width) < 4:
            raise InputError(f"--data {self.data}: expected pictures of two classes, of 4x4 pixels or more")
        if self.data is not None:
            return data
        train, test = (Split(moved(split.X), split.Y) for split in (data.train, data.test))
        return replace(data, name="moved digits", train=train, test=test, image=ImageShape(SIDE, SIDE, 1))

    def seed_of(self, start: int) -> int:
        """Every start has its own."""
        return (self.seed + start) % 2**32


def moved(X: Float[Tensor, "64 m"]) -> Float[Tensor, "n_x m"]:
    """Every digit in SIDE by SIDE pixels, at a place that its pixels decide: it's the same in every start."""
    frames = torch.zeros(X.shape[1], SIDE, SIDE)
    for frame, x in zip(frames, X.T, strict=True):
        row, column = divmod(zlib.crc32(x.numpy().tobytes()) % (SIDE - 7) ** 2, SIDE - 7)
        frame[row : row + 8, column : column + 8] = x.view(8, 8)
    return frames.flatten(1).T


def network(name: str, data: Data) -> Network:
    """The network of this name for these pictures, not yet drawn."""
    if name == "cnn":
        return cnn(inputs_of(data), [8, 16, 32])
    n_x = data.n_x
    return {"logistic": logistic(n_x), "shallow": shallow(n_x, 32, ReLU), "deep": deep([n_x, 64, 32, 16, 1])}[name]


def learn(name: str, data: Data, count: int, seed: int) -> Iterator[tuple[int, ManualEngine]]:
    """Train the network; yield the engine after each pass."""
    # A step changes z = w x by alpha times a sum over its inputs: n_x of them, or the few of a window.
    rate = 0.002 if name == "cnn" else 0.003 * math.sqrt(64 / data.n_x)
    # Without hidden units zeros will do, as in week 2, and w is what has been learnt alone.
    engine = ManualEngine(initialise(network(name, data), "zeros" if name == "logistic" else "he", seed), "adam", rate)
    batches = Batches(data.train, 32, seed)
    for k in range(1, count + 1):
        for _ in range(-(-data.train.m // batches.size)):
            engine.cost_and_gradients(*batches.next())
            engine.update()
        yield k, engine


def correct(p: Float[Tensor, "1 m"], split: Split) -> Float[Tensor, " m"]:
    """r of every picture: 1 where the probability of label 1 is on its label's side of 1/2, else 0."""
    return (likeliest(p) == split.Y)[0].double()


def difference(first: list[float], second: list[float]) -> tuple[float, float]:
    """How much more of the pictures the second gets right, and the standard error of it."""
    d = [b - a for a, b in zip(first, second, strict=True)]
    return statistics.fmean(d), statistics.stdev(d) / math.sqrt(len(d))


def draw_mistakes(axes: list[Axes], name: str, data: Data, p: Float[Tensor, "1 m"]) -> None:
    """The test pictures that are wrong, the surest first, each with its probability of label 1."""
    assert data.image is not None
    wrong = (correct(p, data.test) == 0).nonzero()[:, 0]
    worst = wrong[(p - data.test.Y).abs()[0, wrong].argsort(descending=True)].tolist()
    for axis in axes:
        axis.set_axis_off()
    for axis, i in zip(axes, worst, strict=False):
        picture = data.image.images(data.test.X[:, i : i + 1])[0].permute(1, 2, 0).clamp(0, 1)
        axis.imshow(picture.numpy(), cmap="gray", vmin=0, vmax=1)
        axis.set_title(f"{name}: {p[0, i]:.2f}", fontsize=9)


def experiment(config: Config, lesson: Lesson) -> Verdict:
    """Teach the four networks the same pictures; compare what they get right; draw what they get wrong."""
    figure = Figure(figsize=(13, 6), layout="constrained")
    grid = figure.add_gridspec(len(NAMES), 4 + SHOWN)
    bars, w = figure.add_subplot(grid[:, :2]), figure.add_subplot(grid[1:3, 2:4])
    first = config.load(0)
    assert first.image is not None
    train_right: dict[str, list[float]] = defaultdict(list)
    # A picture is known by its pixels: r of each start that tests on it.
    r: dict[str, dict[bytes, list[float]]] = {name: defaultdict(list) for name in NAMES}
    for start, name in lesson.track([(k, name) for k in range(config.starts) for name in NAMES], "learning"):
        data = config.load(start)
        for k, engine in learn(name, data, config.passes, config.seed_of(start)):
            if start == 0:
                J, p = engine.cost_and_predictions(data.test.X, data.test.Y)
                accuracy = correct(p, data.test).mean().item()
                lesson.scalars(name, k, {"test cost": J.item(), "test accuracy": accuracy})
        train_right[name].append(
            correct(engine.cost_and_predictions(data.train.X, data.train.Y)[1], data.train).mean().item()
        )
        p = engine.cost_and_predictions(data.test.X, data.test.Y)[1]
        for x, right in zip(data.test.X.T, correct(p, data.test).tolist(), strict=True):
            r[name][x.numpy().tobytes()].append(right)
        if start == 0:
            W = next(iter(engine.module.parameters()))
            assert data.image is not None
            pictured = weight_images(W, data.image)
            lesson.board(name).add(config.passes, summary.image("first layer", pictured, dataformats="CHW"))
            if name == "logistic":
                w.imshow(pictured.permute(1, 2, 0).numpy(), interpolation="nearest")
            axes = [figure.add_subplot(grid[NAMES.index(name), 4 + column]) for column in range(SHOWN)]
            draw_mistakes(axes, name, data, p)

    pictures = list(r["logistic"])
    scores = {name: [statistics.fmean(r[name][picture]) for picture in pictures] for name in NAMES}
    N = len(pictures)
    shares = {name: statistics.fmean(scores[name]) for name in NAMES}
    errors = {name: math.sqrt(p * (1 - p) / N) for name, p in shares.items()}
    heights = [statistics.fmean(train_right[name]) for name in NAMES]
    places = range(len(NAMES))
    bars.bar([k - 0.2 for k in places], heights, 0.38, color=COLOURS[-1], label="training")
    bars.bar([k + 0.2 for k in places], list(shares.values()), 0.38, color=COLOURS[0], label="test")
    bars.errorbar(
        [k + 0.2 for k in places], list(shares.values()), list(errors.values()), fmt="none", ecolor="black", capsize=4
    )
    bars.set_xticks(places, list(NAMES))
    bars.set_ylim(min(0.9, *shares.values()) - 0.1, 1.0)
    bars.set_title(f"{first.name}: share that is right", fontsize=11)
    bars.legend(frameon=False, loc="upper left")
    w.set_axis_off()
    w.set_title("logistic regression's w", fontsize=11)
    figure.suptitle(f"to the right, the surest mistakes with the probability of {first.classes[1]!r}", fontsize=11)
    lesson.show(figure)

    steps = {"deep - logistic": ("logistic", "deep"), "cnn - deep": ("deep", "cnn")}
    gains = {step: difference(scores[a], scores[b]) for step, (a, b) in steps.items()}
    return Verdict(
        all(d > 2 * error for d, error in gains.values()),
        f"of {N} test pictures of {first.name} "
        + ", ".join(f"{name} gets {shares[name]:.1%} +- {errors[name]:.1%}" for name in NAMES)
        + " right; "
        + ", ".join(f"{step} = {d:+.1%} +- {error:.1%}" for step, (d, error) in gains.items()),
        {f"test, {name}": share for name, share in shares.items()}
        | {f"training, {name}": statistics.fmean(train_right[name]) for name in NAMES}
        | {step: d for step, (d, _) in gains.items()}
        | {f"error, {step}": error for step, (_, error) in gains.items()}
        | {"pictures": float(N)},
    )


if __name__ == "__main__":
    main(Config, experiment)
