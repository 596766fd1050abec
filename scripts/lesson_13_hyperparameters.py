"""Of alpha, depth, width and activation, alpha matters first.

Every combination of some values of the four is trained on the planar flower for the same number of updates, as
`torchbasics sweep` trains it. How much of the runs' differences one of them explains alone is its share of the
variance of their test accuracy y, with N runs, k values, the mean y_v of the runs that have value v, and the mean y_0
of all:

    share = (N / k) sum_v (y_v - y_0)^2 / sum (y - y_0)^2

In a full grid the shares add up to 1 with that of the interactions, where the effect of one value depends on another.
alpha goes from 0.0001 to 1 in tenfold steps and depth from 2 to 4 layers, the course's own ranges; of a wider range any
of the four would explain more. A run that diverges counts as one that has learned nothing.

Source: week 4, "Parameters vs Hyperparameters"; course 2, week 3, "Tuning Process" and "Using an Appropriate Scale to
pick Hyperparameters".
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from rich.console import Console

from torchbasics.errors import InputError
from torchbasics.lessons.drawing import COLOURS
from torchbasics.lessons.lesson import Lesson, LessonConfig, Verdict, main
from torchbasics.training.config import Activation
from torchbasics.training.sweep.command import results_of, train
from torchbasics.training.sweep.plan import plan
from torchbasics.training.sweep_config import SweepConfig

# Of the flower's two classes each has half of the points.
CHANCE = 0.5


@dataclass(frozen=True)
class Config(LessonConfig):
    """The values of the grid, and how each network is trained."""

    alphas: tuple[float, ...] = (0.0001, 0.001, 0.01, 0.1, 1.0)
    """Learning rates."""

    depths: tuple[int, ...] = (2, 3, 4)
    """Numbers of layers L."""

    widths: tuple[int, ...] = (5, 10, 20)
    """Units n[l] of every hidden layer."""

    activations: tuple[Activation, ...] = ("sigmoid", "tanh", "relu")
    """Activations g of the hidden layers."""

    iterations: int = 500
    """Parameter updates of every network."""

    jobs: int = 2
    """Networks trained at a time, each by a process of its own."""

    def check(self) -> None:
        super().check()
        for name, values in self.grid().items():
            if len(values) < 2:
                raise InputError(f"--{name}: {len(values)} value(s) given; expected two or more, to compare them")
            if len(set(values)) < len(values):
                raise InputError(f"--{name} {' '.join(map(str, values))}: expected every value once")
        if not all(0 < alpha < math.inf for alpha in self.alphas):
            raise InputError(f"--alphas {' '.join(map(str, self.alphas))}: expected positive numbers, such as 0.01")
        for name, sizes, least in (("depths", self.depths, 2), ("widths", self.widths, 1)):
            if min(sizes) < least:
                raise InputError(f"--{name} {' '.join(map(str, sizes))}: expected whole numbers, {least} or more")
        self.sweep(Path()).check()

    def grid(self) -> Mapping[str, Sequence[object]]:
        """The values of each of the four."""
        return {"alphas": self.alphas, "depths": self.depths, "widths": self.widths, "activations": self.activations}

    def sizes(self) -> list[str]:
        """n_x,n[1],...,1 of every depth with every width."""
        pairs = itertools.product(self.depths, self.widths)
        return [",".join(map(str, [2, *[width] * (depth - 1), 1])) for depth, width in pairs]

    def sweep(self, folder: Path) -> SweepConfig:
        """The grid as `torchbasics sweep` is told it."""
        return SweepConfig(
            data="flower",
            learning_rate=self.alphas,
            layers=tuple(self.sizes()),
            activation=self.activations,
            seed=(self.seed,),
            iterations=self.iterations,
            jobs=self.jobs,
            name="sweep",
            runs_dir=folder,
        )


def shares(y: Float[np.ndarray, "..."]) -> list[float]:
    """The share of the variance of y that each axis explains alone."""
    total = ((y - y.mean()) ** 2).sum()
    found = []
    for axis in range(y.ndim):
        means = y.mean(axis=tuple(other for other in range(y.ndim) if other != axis))
        found.append(float(y.size / len(means) * ((means - y.mean()) ** 2).sum() / total) if total else 0.0)
    return found


def accuracies(config: Config, lesson: Lesson) -> Float[np.ndarray, "alphas depths widths activations"]:
    """The test accuracy of every combination."""
    sweep = config.sweep(lesson.folder)
    planned = plan(sweep)
    failed = train(planned, sweep.processes(len(planned.runs)), Console())
    results = results_of(planned)
    if failed:
        raise InputError(next(iter(failed.values())))
    if len(results) < len(planned.runs):
        raise KeyboardInterrupt
    found = [run["results"]["manual"]["test_accuracy"] if run["results"] else CHANCE for run in results.values()]
    # Runs are in the order of the grid, in which the activation changes fastest.
    return np.array(found).reshape([len(values) for values in config.grid().values()])


def draw(y: Float[np.ndarray, "..."], names: Sequence[str], values: Sequence[Sequence[object]]) -> Figure:
    """For each hyperparameter every run over its value, and the line through the means."""
    figure = Figure(figsize=(12, 3.8), layout="constrained")
    random = np.random.default_rng(0)
    for axis, (panel, name, words, share) in enumerate(
        zip(figure.subplots(1, y.ndim, sharey=True), names, values, shares(y), strict=True)
    ):
        by_value = np.moveaxis(y, axis, 0).reshape(y.shape[axis], -1)
        for k, runs in enumerate(by_value):
            panel.scatter(k + random.uniform(-0.15, 0.15, len(runs)), runs, s=10, color=COLOURS[0], alpha=0.4)
        panel.plot(by_value.mean(axis=1), color=COLOURS[1], marker="o", linewidth=2)
        panel.set_xticks(range(len(words)), [f"{w:g}" if isinstance(w, float) else str(w) for w in words])
        panel.set_xlabel(name)
        panel.set_title(f"{share:.0%} of the variance")
    figure.axes[0].set_ylabel("test accuracy (dots: runs, line: mean)")
    return figure


def experiment(config: Config, lesson: Lesson) -> Verdict:
    """Train the grid, draw each hyperparameter's effect, and compare their shares."""
    y = accuracies(config, lesson)
    values = list(config.grid().values())
    lesson.show(draw(y, ["$\\alpha$", "depth $L$", "width $n^{[l]}$", "activation $g$"], values))
    names = ("alpha", "depth", "width", "activation")
    found = dict(zip(names, shares(y), strict=True))
    best = [int(k) for k in np.unravel_index(y.argmax(), y.shape)]
    alpha, depth, width, activation = (those[k] for those, k in zip(values, best, strict=True))
    at_best = dict(zip(names[1:], shares(y[best[0]]), strict=True))
    second = max(at_best, key=lambda name: at_best[name])
    rest = max(share for name, share in found.items() if name != "alpha")
    return Verdict(
        bool(found["alpha"] > 2 * rest and y.max() > CHANCE + 0.2),
        f"of the variance of the test accuracy of {y.size} networks alpha explains {found['alpha']:.0%}, "
        f"depth {found['depth']:.0%}, width {found['width']:.0%}, activation {found['activation']:.0%}; "
        f"the best ({y.max():.1%}) has alpha {alpha:g}, {depth} layers, {width} units, {activation}; "
        f"at that alpha {second} matters most, with {at_best[second]:.0%}",
        {**found, "best": float(y.max()), **{f"{name}_at_the_best_alpha": share for name, share in at_best.items()}},
    )


if __name__ == "__main__":
    main(Config, experiment)
