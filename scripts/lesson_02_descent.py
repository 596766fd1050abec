r"""Gradient descent reaches the one optimum of the logistic cost from any start, if alpha is right.

J(w, b) of logistic regression is convex (lesson 1), and where the classes overlap it has its one minimum at finite w*.
What alpha may be is said by the largest eigenvalue lambda of the Hessian, with X~ the inputs over a row of ones:

    H = X~ D X~^T / m,  D = diag(a (1 - a)) <= 1/4,  so that lambda(H) <= L = lambda(X~ X~^T / (4 m)) everywhere

Near the optimum an update multiplies the error along an eigenvector by 1 - alpha lambda. So alpha <= 1 / L descends
from any start, and alpha > 2 / lambda(H*), with H* the Hessian at the optimum, is driven away from it.

Two measurements of the breast cancer biopsies, "mean radius" and "mean texture", standardised; two weights and b. The
outside witness of the optimum is scikit-learn's `LogisticRegression` without a penalty, by Newton's method.

Source: week 2, "Gradient descent" and "Logistic regression gradient descent".
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from matplotlib.figure import Figure
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from torchbasics.data import load
from torchbasics.errors import InputError
from torchbasics.layers import Linear
from torchbasics.lessons.drawing import COLOURS
from torchbasics.lessons.lesson import Lesson, LessonConfig, Verdict, main
from torchbasics.losses import SigmoidCrossEntropy
from torchbasics.network import Network
from torchbasics.optim import GradientDescent

# Starts are drawn from minus this to this in w1, w2 and b.
START = 10.0


@dataclass(frozen=True)
class Config(LessonConfig):
    """Where descent starts and how long it goes on."""

    starts: int = 20
    """Starting points."""

    iterations: int = 1000
    """Parameter updates from each, with each alpha."""

    def check(self) -> None:
        super().check()
        for name, value, least in (("starts", self.starts, 2), ("iterations", self.iterations, 1)):
            if value < least:
                raise InputError(f"--{name} {value}: expected a whole number, {least} or more")


@dataclass(frozen=True)
class Problem:
    """Two inputs and their labels. theta is w1, w2 and b, which X~, the inputs over a row of ones, is multiplied by."""

    X: Float[Tensor, "2 m"]
    Y: Float[Tensor, "1 m"]

    @property
    def rows(self) -> Float[Tensor, "3 m"]:
        """X~."""
        return torch.cat([self.X, torch.ones_like(self.Y)])

    def costs(self, theta: Float[Tensor, "k 3"]) -> Float[Tensor, " k"]:
        """J at each of k points."""
        Z = theta @ self.rows
        return (Z.clamp(min=0) - self.Y * Z + torch.log1p(torch.exp(-Z.abs()))).mean(dim=1)

    def hessian(self, theta: Float[Tensor, " 3"]) -> Float[Tensor, "3 3"]:
        """H at one point."""
        A = torch.sigmoid(theta @ self.rows)
        return self.rows * (A * (1 - A)) @ self.rows.T / len(A)

    def optimum(self) -> Float[Tensor, " 3"]:
        """Where scikit-learn has the minimum."""
        found = LogisticRegression(C=math.inf, solver="newton-cholesky", tol=1e-12, max_iter=1000)
        found.fit(self.X.T.numpy(), self.Y[0].numpy())
        return torch.tensor([*found.coef_[0], *found.intercept_], dtype=self.X.dtype)


def problem(seed: int) -> Problem:
    """The training set, which the seed splits off."""
    train = load("breast-cancer", dtype=torch.float64, seed=seed).train
    return Problem(train.X[:2], train.Y)


def descend(
    of: Problem, starts: Float[Tensor, "k 3"], learning_rate: float, iterations: int
) -> Float[Tensor, "steps k 3"]:
    """The paths from k starts: k neurons side by side, whose costs add up, so that each has its own gradient."""
    linear = Linear(2, len(starts)).double()
    linear.W.data, linear.b.data = starts[:, :2].clone(), starts[:, 2:].clone()
    network = Network([linear], SigmoidCrossEntropy())
    optimizer = GradientDescent(network.parameters(), learning_rate)
    labels, path = of.Y.expand(len(starts), -1), [starts]
    for _ in range(iterations):
        network.cost(of.X, labels)
        network.backward()
        optimizer.step()
        path.append(torch.cat([linear.W, linear.b], dim=1))
    return torch.stack(path)


def draw(figure: Figure, of: Problem, optimum: Tensor, paths: dict[str, Tensor], above: dict[str, Tensor]) -> None:
    """The paths of a right alpha and of one too large over J at b = b*, and for every alpha J - J* by iteration."""
    *maps, curves = figure.subplots(1, 3)
    for axis, name, most in zip(maps, ("right", "too large"), (12, 1), strict=True):
        shown = paths[name][:300, :most, :2]
        margin = 0.08 * (shown.amax((0, 1)) - shown.amin((0, 1)))
        ends = zip(shown.amin((0, 1)) - margin, shown.amax((0, 1)) + margin, strict=True)
        first, second = (torch.linspace(low, high, 121, dtype=torch.float64) for low, high in ends)
        w2, w1 = torch.meshgrid(second, first, indexing="ij")
        theta = torch.stack([w1.flatten(), w2.flatten(), optimum[2].expand(w1.numel())], dim=1)
        axis.contour(w1, w2, of.costs(theta).view_as(w1), levels=25, cmap="viridis", linewidths=0.7)
        for path in shown.unbind(dim=1):
            axis.plot(*path.T.numpy(), ".-", color="#222222", linewidth=0.6, markersize=2)
            axis.plot(*path[0].numpy(), "o", color="white", markeredgecolor="#222222", markersize=4)
        axis.plot(*optimum[:2].numpy(), "*", color=COLOURS[1], markeredgecolor="#222222", markersize=12)
        axis.set(xlabel="$w_1$", ylabel="$w_2$", title=rf"$\alpha$ {name}; star: scikit-learn's optimum")
    for (name, gap), colour in zip(above.items(), COLOURS, strict=False):
        # Below this is rounding.
        curves.semilogy(gap.clamp(min=1e-16).numpy(), label=name, color=colour)
    curves.set(
        xlabel="iteration", ylabel="$J - J^*$, the largest of all starts", title=r"cost above the optimum, by $\alpha$"
    )
    curves.legend(frameon=False)


def experiment(config: Config, lesson: Lesson) -> Verdict:
    """Descend from every start with alphas on either side of what the Hessian allows."""
    of = problem(config.seed)
    optimum = of.optimum()
    J_best = of.costs(optimum[None])
    bound = torch.linalg.eigvalsh(of.rows @ of.rows.T / (4 * of.X.shape[1])).max().item()
    sharpness = torch.linalg.eigvalsh(of.hessian(optimum)).max().item()
    generator = torch.Generator().manual_seed(config.seed)
    starts = START * (2 * torch.rand(config.starts, 3, generator=generator, dtype=torch.float64) - 1)

    alphas = {
        "too small": 0.001 * 2 / sharpness,
        "right": 1 / bound,
        "5% below the limit": 0.95 * 2 / sharpness,
        "5% above the limit": 1.05 * 2 / sharpness,
        "too large": 5 * 2 / sharpness,
    }
    paths, far, above = {}, {}, {}
    for name in lesson.track(list(alphas), "descending"):
        path = descend(of, starts, alphas[name], config.iterations)
        distances = (path - optimum).norm(dim=2)
        paths[name], far[name] = path, distances[-1]
        gaps = torch.stack([of.costs(theta) for theta in path]) - J_best
        above[name] = gaps.max(dim=1).values
        for i in range(0, config.iterations + 1, max(1, config.iterations // 200)):
            J = J_best + gaps[i]
            lesson.scalars(name, i, {"cost": J.mean().item(), "distance": distances[i].max().item()})
    figure = Figure(figsize=(13, 4.5), layout="constrained")
    draw(figure, of, optimum, paths, above)
    lesson.show(figure)

    ends = paths["right"][-1]
    apart = (ends[:, None] - ends).norm(dim=2).max().item()
    numbers = {
        "right_distance": far["right"].max().item(),
        "right_apart": apart,
        "below_limit_distance": far["5% below the limit"].max().item(),
        "above_limit_distance": far["5% above the limit"].min().item(),
        "too_large_distance": far["too large"].min().item(),
        "too_small_distance": far["too small"].max().item(),
        "alpha": alphas["right"],
        "limit": 2 / sharpness,
    }
    return Verdict(
        max(numbers["right_distance"], apart, numbers["below_limit_distance"]) < 1e-6
        and min(numbers["above_limit_distance"], numbers["too_small_distance"]) > 0.1
        and numbers["too_large_distance"] > 1,
        f"with alpha = {alphas['right']:.3g} all {config.starts} starts end within {numbers['right_distance']:.0e} of "
        f"scikit-learn's w and b; the limit is 2 / lambda = {numbers['limit']:.3g}: 5% below it they end within "
        f"{numbers['below_limit_distance']:.0e}, 5% above it {numbers['above_limit_distance']:.2g} away or more, at 5 "
        f"times the limit {numbers['too_large_distance']:.2g} or more; with alpha = {alphas['too small']:.2g} some are "
        f"still {numbers['too_small_distance']:.2g} away after {config.iterations} updates",
        numbers,
    )


if __name__ == "__main__":
    main(Config, experiment)
