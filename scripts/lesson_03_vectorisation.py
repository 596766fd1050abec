"""Vectorised code beats explicit loops, the more so as m grows.

One forward and backward sweep of logistic regression over m examples with n_x features, written four times:

    two loops   for every example, z = b, then for every feature j, z += w_j x_j; dw_j += x_j dz likewise
    one loop    for every example, z = w^T x + b and dw += x dz as products of whole vectors
    NumPy       Z = w^T X + b, A = sigma(Z), dZ = A - Y, dw = 1/m X dZ^T, db = 1/m sum dZ: no loop
    torch       the same formulas; once more on the graphics processor, where there is one

All give the same J, dw and db, to the rounding of sums of m terms. What differs is the time of one sweep, the median of
several, in which the ways take turns; a way that would take longer than the budget is left out from there on.

Source: week 2, "Vectorization", "Vectorizing Logistic Regression" and "Vectorizing Logistic Regression's Gradient".
"""

import functools
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from torchbasics.errors import InputError
from torchbasics.lessons.drawing import COLOURS
from torchbasics.lessons.lesson import Lesson, LessonConfig, Verdict, main
from torchbasics.logistic import loop_over_examples_and_features, vectorised

Array = NDArray[np.float64]
Sweep = tuple[float, Array, float]
"""J, dw (n_x,), db."""
B = 0.3
REPEATS = 7


@dataclass(frozen=True)
class Config(LessonConfig):
    """Random examples, as many as are asked for."""

    sizes: tuple[int, ...] = (10, 100, 1000, 10_000, 100_000)
    """Numbers of examples m."""

    features: int = 64
    """n_x."""

    budget: float = 2.0
    """Seconds that one sweep may take."""

    def check(self) -> None:
        super().check()
        if len(set(self.sizes)) < 2 or min(self.sizes) < 1:
            raise InputError(f"--sizes {' '.join(map(str, self.sizes))}: expected two numbers of examples or more")
        if self.features < 1:
            raise InputError(f"--features {self.features}: expected a whole number, 1 or more")
        if not 0 < self.budget < float("inf"):
            raise InputError(f"--budget {self.budget}: expected a number of seconds, such as 2")


def examples(n_x: int, m: int, seed: int) -> tuple[Array, Array, Array]:
    """w (n_x, 1), X (n_x, m) and Y (1, m), at random; w^T x has a variance of 1."""
    random = np.random.default_rng(seed)
    w = random.standard_normal((n_x, 1)) / np.sqrt(n_x)
    return w, random.standard_normal((n_x, m)), random.integers(2, size=(1, m)).astype(np.float64)


def two_loops(w: Array, X: Array, Y: Array) -> Callable[[], Sweep]:
    """A sweep over Python's own numbers, which loops read faster than an array's."""
    weights, rows, labels = w[:, 0].tolist(), X.tolist(), Y[0].tolist()

    def sweep() -> Sweep:
        J, dw, db = loop_over_examples_and_features(weights, B, rows, labels)
        return J, np.array(dw), db

    return sweep


def one_loop(w: Array, X: Array, Y: Array) -> Callable[[], Sweep]:
    """A sweep that loops over the examples; each is a row of memory, as good as it gets for it."""
    weights, columns, labels = w[:, 0], np.ascontiguousarray(X.T), Y[0].tolist()

    def sweep() -> Sweep:
        J, dw, db = 0.0, np.zeros(len(weights)), 0.0
        for x, y in zip(columns, labels, strict=True):
            z = weights @ x + B
            J += np.logaddexp(0, z) - y * z
            dz = 1 / (1 + np.exp(-z)) - y
            dw += x * dz
            db += dz
        m = len(labels)
        return J / m, dw / m, db / m

    return sweep


def numpy_vectorised(w: Array, X: Array, Y: Array) -> Callable[[], Sweep]:
    """A sweep of the notes' formulas over arrays."""

    def sweep() -> Sweep:
        m = X.shape[1]
        Z = w.T @ X + B
        dZ = 1 / (1 + np.exp(-Z)) - Y
        J = np.sum(np.logaddexp(0, Z) - Y * Z) / m
        dw = X @ dZ.T / m
        db = np.sum(dZ) / m
        return J, dw[:, 0], db

    return sweep


def torch_vectorised(w: Array, X: Array, Y: Array, device: str = "cpu") -> Callable[[], Sweep]:
    """A sweep of `torchbasics.logistic.vectorised`; its results come back from the device, and so are waited for."""
    tensors = [torch.from_numpy(array).to(device) for array in (w, X, Y)]
    b = torch.tensor(B, dtype=torch.float64, device=device)

    def sweep() -> Sweep:
        step = vectorised(tensors[0], b, *tensors[1:])
        return step.J.item(), step.dw[:, 0].cpu().numpy(), step.db.item()

    return sweep


WAYS: dict[str, Callable[[Array, Array, Array], Callable[[], Sweep]]] = {
    "two loops": two_loops,
    "one loop": one_loop,
    "NumPy": numpy_vectorised,
    "torch": torch_vectorised,
}


def difference(sweep: Sweep, other: Sweep) -> float:
    """The largest |difference| of J, dw and db."""
    return max(float(np.max(np.abs(np.asarray(a) - np.asarray(b)))) for a, b in zip(sweep, other, strict=True))


def rounding(sweep: Sweep, m: int, n_x: int) -> float:
    """What ways that sum in different orders may differ by: each is a mean of m terms, and z is a sum of n_x."""
    largest = max(1.0, *(float(np.max(np.abs(value))) for value in sweep))
    return (m + n_x) * float(np.finfo(np.float64).eps) * largest


def timed(sweeps: dict[str, Callable[[], Sweep]], budget: float) -> dict[str, float]:
    """The median seconds of each sweep; at most `REPEATS`, and no more once they have taken a tenth of the budget."""
    seconds: dict[str, list[float]] = {name: [] for name in sweeps}
    for _ in range(REPEATS):
        for name, sweep in sweeps.items():
            if sum(seconds[name]) < budget / 10:
                start = time.perf_counter()
                sweep()
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in seconds.items()}


def experiment(config: Config, lesson: Lesson) -> Verdict:
    """Sweep over more and more examples in every way; hold the gradients and the times against each other."""
    gpu = torch.cuda.is_available()
    ways = WAYS | ({"GPU": functools.partial(torch_vectorised, device="cuda")} if gpu else {})
    times: dict[str, dict[int, float]] = {name: {} for name in ways}
    sizes = sorted(set(config.sizes))
    worst, equal = 0.0, True
    for smaller, m in lesson.track(list(zip([sizes[0], *sizes], sizes, strict=False)), "sweeping"):
        inputs = examples(config.features, m, config.seed)
        sweeps = {
            name: way(*inputs)
            for name, way in ways.items()
            if m == sizes[0] or times[name].get(smaller, float("inf")) * m / smaller < config.budget
        }
        found = {name: sweep() for name, sweep in sweeps.items()}
        for sweep in found.values():
            apart = difference(sweep, next(iter(found.values())))
            worst = max(worst, apart)
            equal = equal and apart < rounding(sweep, m, config.features)
        for name, seconds in timed(sweeps, config.budget).items():
            times[name][m] = seconds
            lesson.scalars(name, m, {"seconds": seconds})

    figure = Figure(figsize=(11, 4.5), layout="constrained")
    axis, ratios = figure.subplots(1, 2)
    for (name, by_m), colour in zip(times.items(), COLOURS, strict=False):
        axis.loglog(list(by_m), list(by_m.values()), ".-", label=name, color=colour)
        shared = [m for m in by_m if m in times["two loops"]]
        ratios.loglog(shared, [times["two loops"][m] / by_m[m] for m in shared], ".-", label=name, color=colour)
    axis.set(title=f"one sweep, $n_x = {config.features}$", xlabel="examples $m$", ylabel="seconds")
    ratios.set(title="times as fast as two loops", xlabel="examples $m$", ylabel="ratio")
    for panel in (axis, ratios):
        panel.grid(alpha=0.3)
        panel.legend(frameon=False)
    lesson.show(figure)

    fast = [name for name in times if "loop" not in name]
    few, many = min(times["two loops"]), max(m for m in times["two loops"] if all(m in times[name] for name in fast))
    numbers: dict[str, float] = {"difference": worst, "fewest examples": float(few), "most examples": float(many)}
    for name in (*fast, "one loop"):
        for words, m in (("few", few), ("many", many)):
            if m in times[name]:
                numbers[f"ratio, {words}, {name}"] = times["two loops"][m] / times[name][m]
    best = max(fast, key=lambda name: numbers[f"ratio, many, {name}"])
    return Verdict(
        equal
        and numbers[f"ratio, many, {best}"] > 5
        and numbers[f"ratio, many, {best}"] > numbers[f"ratio, few, {best}"],
        f"J, dw and db agree to {worst:.1g}; of m = {few} examples a sweep is {numbers['ratio, few, NumPy']:.0f} times "
        f"as fast in NumPy as with two loops, of m = {many} {numbers['ratio, many, NumPy']:.0f} times, in torch "
        f"{numbers['ratio, many, torch']:.0f} times"
        + (f", on the GPU {numbers['ratio, many, GPU']:.0f} times" if gpu else "; there is no GPU here to try"),
        numbers,
    )


if __name__ == "__main__":
    main(Config, experiment)
