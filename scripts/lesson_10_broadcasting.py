"""An (n,) array is neither a row nor a column, and spoils a gradient without a word.

NumPy and torch align shapes from the last axis and stretch what is 1 or missing. Of a column A (m, 1) and labels
y (m,), which count as a row, A - y is therefore (m, m), its entry (i, j) being a_i - y_j: every prediction is held
against every label. The mean over j leaves a_i - mean(y), so that J is the cost of guessing the share of label 1,

    J = 1/m^2 sum_i sum_j L(a_i, y_j) = 1/m sum_i L(a_i, mean(y)),

whose minimum knows nothing of X. Logistic regression, with the examples as rows as files and scikit-learn have them,
is trained by one and the same code with y (m, 1) and with y (m,). NumPy's warnings are errors meanwhile (but that e^-z
overflows where a is 0), and there are none: only a look at the shapes, or `torchbasics.check`, tells.

Source: week 2, "Broadcasting in Python" and "A note on Python/NumPy vectors".
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from torchbasics.check.api import check
from torchbasics.check.report import Report
from torchbasics.data import load
from torchbasics.errors import InputError
from torchbasics.lessons.drawing import COLOURS
from torchbasics.lessons.lesson import Lesson, LessonConfig, Verdict, main

Array = NDArray[np.float64]
ORIENTATIONS = {"(1, m)": (1, -1), "(m, 1)": (-1, 1), "(m,)": (-1,)}
# e^-z beyond the largest number or below the smallest leaves a = 0 or 1, as it should.
SATURATED: dict[str, Any] = {"over": "ignore", "under": "ignore"}


@dataclass(frozen=True)
class Config(LessonConfig):
    """Logistic regression on the biopsies, benign or malignant."""

    iterations: int = 400
    """Parameter updates with either shape of the labels."""

    learning_rate: float = 0.1
    """alpha."""

    def check(self) -> None:
        super().check()
        if self.iterations < 1:
            raise InputError(f"--iterations {self.iterations}: expected a whole number, 1 or more")
        if not 0 < self.learning_rate <= 1000:
            raise InputError(
                f"--learning-rate {self.learning_rate}: expected a positive number, 1000 at most, such as 0.1"
            )


def propagate(w: Array, b: float, X: Array, Y: Array) -> tuple[dict[str, Any], Any]:
    """{"dw", "db"} and J of logistic regression on the rows of X (m, n_x); right if Y has the shape of A, (m, 1)."""
    Z = X @ w + b
    A = 1 / (1 + np.exp(-Z))
    J = np.mean(np.logaddexp(0, Z) - Y * Z)
    dZ = A - Y
    dw = X.T @ dZ / len(X)
    db = np.mean(dZ)
    return {"dw": dw, "db": db}, J


def predict(w: Array, b: float, X: Array) -> Array:
    """A, for every column of w."""
    with np.errstate(**SATURATED):
        return np.asarray(1 / (1 + np.exp(-(X @ w + b))))


def train(X: Array, Y: Array, learning_rate: float, iterations: int) -> tuple[Array, float, list[float]]:
    """w, b and the costs before every update, from zeros."""
    w, b, costs = np.zeros((X.shape[1], 1)), 0.0, []
    for _ in range(iterations):
        gradients, J = propagate(w, b, X, Y)
        # With w -= ..., NumPy would refuse to make (n_x, 1) larger.
        w = w - learning_rate * gradients["dw"]
        b = b - learning_rate * gradients["db"]
        costs.append(float(J))
    return w, b, costs


def checked(X: Array, Y: Array) -> Report:
    """What `torchbasics.check` says of `propagate` on seven examples."""
    w = np.random.default_rng(0).normal(size=(X.shape[1], 1))
    return check(propagate, {"w": w, "b": 0.3, "X": X[:7], "Y": Y[:7]})


def differences(m: int) -> dict[tuple[str, str], tuple[int, ...]]:
    """The shape of A - Y for A and Y of every orientation."""
    numbers = np.arange(m)
    return {
        (A, Y): (numbers.reshape(ORIENTATIONS[A]) - numbers.reshape(ORIENTATIONS[Y])).shape
        for A in ORIENTATIONS
        for Y in ORIENTATIONS
    }


def sums(n: int, m: int) -> dict[str, tuple[int, ...]]:
    """The shapes of what is said of an (n,) array, and of the sums of dZ (n, m)."""
    a, dZ, b = np.ones(n), np.ones((n, m)), np.ones((n, 1))
    return {
        "a": a.shape,
        "a.T": a.T.shape,
        "np.dot(a, a.T)": np.dot(a, a.T).shape,
        "a.reshape(-1, 1) @ a.reshape(1, -1)": (a.reshape(-1, 1) @ a.reshape(1, -1)).shape,
        "dZ": dZ.shape,
        "np.sum(dZ, axis=0)": np.sum(dZ, axis=0).shape,
        "np.sum(dZ, axis=1)": np.sum(dZ, axis=1).shape,
        "np.sum(dZ, axis=1, keepdims=True)": np.sum(dZ, axis=1, keepdims=True).shape,
        "b": b.shape,
        "b - np.sum(dZ, axis=1)": (b - np.sum(dZ, axis=1)).shape,
        "b - np.sum(dZ, axis=1, keepdims=True)": (b - np.sum(dZ, axis=1, keepdims=True)).shape,
    }


def experiment(config: Config, lesson: Lesson) -> Verdict:
    """Train by the same code with labels of either shape; have both checked; draw the shapes."""
    data = load("breast-cancer", dtype=torch.float64, seed=config.seed)
    X, y = data.train.X.T.numpy(), data.train.Y[0].numpy()
    X_test, y_test = data.test.X.T.numpy(), data.test.Y[0].numpy()
    m = len(y)
    figure = Figure(figsize=(13, 7.5), layout="constrained")
    panels = figure.subplot_mosaic([["table", "shapes", "cost"], ["right", "wrong", "cost"]])
    numbers: dict[str, float] = {}
    reports, weights = {}, {}
    labels = {"y (m, 1)": y.reshape(-1, 1), "y (m,)": y}
    for (name, Y), colour in zip(labels.items(), COLOURS, strict=False):
        with np.errstate(all="raise", **SATURATED):
            w, b, costs = train(X, Y, config.learning_rate, config.iterations)
        for i, J in enumerate(costs):
            lesson.scalars(name, i, {"cost": J})
        panels["cost"].plot(costs, label=name, color=colour)
        # Of a w with a column for every label, the mean prediction.
        right = (predict(w, b, X_test).mean(axis=1) > 0.5) == (y_test > 0.5)
        numbers |= {f"cost, {name}": costs[-1], f"test accuracy, {name}": float(right.mean())}
        numbers[f"columns of w, {name}"] = float(w.shape[1])
        reports[name], weights[name] = checked(X, Y), (w, b)
    share = y.mean()
    numbers["cost of guessing"] = float(-share * np.log(share) - (1 - share) * np.log(1 - share))
    numbers["accuracy of guessing"] = float(max(y_test.mean(), 1 - y_test.mean()))
    numbers["wrong in the check, y (m,)"] = float(len(list(reports["y (m,)"].wrong)))

    shown = np.argsort(y[:24], kind="stable")
    A = predict(*weights["y (m, 1)"], X)[shown]
    colours: dict[str, Any] = {"cmap": "RdBu_r", "vmin": -1, "vmax": 1}
    panels["right"].imshow(A - y[shown].reshape(-1, 1), **colours)
    image = panels["wrong"].imshow(A - y[shown], **colours)
    figure.colorbar(image, ax=panels["wrong"])
    panels["right"].set(title="A - y of y (m, 1): $a_i - y_i$, (m, 1)", xticks=[], ylabel="example $i$")
    panels["wrong"].set(title="A - y of y (m,): $a_i - y_j$, (m, m)", xlabel="label $j$", ylabel="example $i$")
    panels["cost"].set(title="training by the same code", xlabel="iteration", ylabel="cost $J$")
    panels["cost"].axhline(numbers["cost of guessing"], color="#888888", linestyle=":", label="guessing")
    panels["cost"].grid(alpha=0.3)
    panels["cost"].legend(frameon=False)
    tables = {
        "table": ("the shape of A - Y, m = 5", [(f"A {A}", f"Y {Y}", s) for (A, Y), s in differences(5).items()]),
        "shapes": ("shapes for n = 4, m = 7", [(what, "", s) for what, s in sums(4, 7).items()]),
    }
    for name, (title, rows) in tables.items():
        panels[name].set_axis_off()
        panels[name].set_title(title)
        for k, (left, middle, shape) in enumerate(rows):
            bad = len(shape) == 2 and shape[0] == shape[1] and "@" not in left
            for x, text in ((0, left), (0.35, middle), (0.8, str(shape))):
                colour = COLOURS[3] if bad else "#222222"
                panels[name].text(x, 0.95 - k / len(rows), text, color=colour, family="monospace", fontsize=8.5)
    lesson.show(figure)

    n, first = numbers, next(reports["y (m,)"].wrong, None)
    said = "nothing" if first is None else f"{first.name}: {first.note.rpartition('; ')[2]}"
    return Verdict(
        bool(reports["y (m, 1)"])
        and first is not None
        and first.name == "dZ"
        and n["columns of w, y (m,)"] == m
        and n["cost, y (m,)"] > 0.99 * n["cost of guessing"] > 2 * n["cost, y (m, 1)"]
        and n["test accuracy, y (m,)"] <= n["accuracy of guessing"] < n["test accuracy, y (m, 1)"] - 0.1,
        f"with y ({m},) in place of ({m}, 1) the same code runs on without a warning: w has become "
        f"({X.shape[1]}, {w.shape[1]}), J ends at {n['cost, y (m,)']:.3f} instead of {n['cost, y (m, 1)']:.3f}, and "
        f"{n['test accuracy, y (m,)']:.1%} of the test set are right instead of {n['test accuracy, y (m, 1)']:.1%}; "
        f"torchbasics.check says, of seven examples, {said}",
        numbers,
    )


if __name__ == "__main__":
    main(Config, experiment)
