r"""Squared error with a sigmoid is not convex in w, the log loss is.

One neuron with one input, a = sigmoid(w x + b), so that J(w, b) can be drawn. With z_i = w x_i + b, X~ the inputs over
a row of ones and v any direction,

    H = d^2 J / d(w, b)^2 = X~ D X~^T / m,   D = diag(L''(z_i)),   v^T H v = 1/m sum_i L''(z_i) (v^T x~_i)^2

| loss | L(a, y) | L''(z) |
|---|---|---|
| log loss | -(y log a + (1-y) log(1-a)) | a (1-a), never negative, so that v^T H v >= 0: convex |
| squared error | (a - y)^2 / 2 | a (1-a) (a (1-a) + (a-y)(1-2a)), negative where a is wrong by more than 2/3 |

The smallest eigenvalue of H is computed at every point of a grid, and gradient descent goes from many starts. The data
are nine points, of which one neuron can get eight right, and two more far out on the wrong side: the squared error has
one minimum that goes by the nine and another, which costs less, that tells nothing apart: w is near 0, and a near the
share of label 1 at every point.

Source: week 2, "Logistic regression cost function" and "Gradient descent". That a neuron's squared error can have many
local minima: Auer, Herbster and Warmuth, "Exponentially many local minima for single neurons", 1996.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor
from torch.utils.tensorboard import summary

from torchbasics.errors import InputError
from torchbasics.layers import Linear, Sigmoid
from torchbasics.lessons.drawing import COLOURS
from torchbasics.lessons.lesson import Lesson, LessonConfig, Verdict, main
from torchbasics.losses import SigmoidCrossEntropy, SquaredError
from torchbasics.network import Network
from torchbasics.optim import GradientDescent

X = torch.tensor([[-2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2, 6, 7]], dtype=torch.float64)
Y = torch.tensor([[0, 0, 0, 0, 1, 0, 1, 1, 1, 0, 0]], dtype=torch.float64)
M = X.shape[1]
ROWS = torch.cat([X, torch.ones_like(X)])
# L'' is 1/4 at most, in both losses. At 1 / L no step overshoots, wherever it starts.
LEARNING_RATE = 1 / torch.linalg.eigvalsh(ROWS @ ROWS.T / (4 * M)).max().item()
# Starts are drawn, and H is looked at, from minus this to this, in w and in b.
START, EDGE = 3.0, 6.0


@dataclass(frozen=True)
class Config(LessonConfig):
    """Where descent starts, and how closely the Hessian is looked at."""

    starts: int = 40
    """Starting points, drawn from -3 to 3 in w and in b."""

    iterations: int = 5000
    """Parameter updates from each."""

    grid: int = 101
    """Points along each axis of the grid on which H is computed, from -6 to 6."""

    def check(self) -> None:
        super().check()
        for name, value, least in (
            ("starts", self.starts, 2),
            ("iterations", self.iterations, 1),
            ("grid", self.grid, 3),
        ):
            if value < least:
                raise InputError(f"--{name} {value}: expected a whole number, {least} or more")


def costs(loss: str, w: Float[Tensor, "k 1"], b: Float[Tensor, "k 1"]) -> Float[Tensor, " k"]:
    """J at each of k points (w, b)."""
    Z = w @ X + b
    if loss == "squared error":
        return ((torch.sigmoid(Z) - Y) ** 2 / 2).mean(dim=1)
    return (Z.clamp(min=0) - Y * Z + torch.log1p(torch.exp(-Z.abs()))).mean(dim=1)


def hessians(loss: str, w: Float[Tensor, "k 1"], b: Float[Tensor, "k 1"]) -> Float[Tensor, "k 2 2"]:
    """H at each of k points (w, b)."""
    A = torch.sigmoid(w @ X + b)
    D = A * (1 - A)
    if loss == "squared error":
        D = D * (A * (1 - A) + (A - Y) * (1 - 2 * A))
    return torch.einsum("ai,ki,bi->kab", ROWS, D, ROWS) / M


def neurons(loss: str, starts: Float[Tensor, "k 2"]) -> Network:
    """k neurons side by side, each at its own (w, b): their costs add up, so that each has its own gradient."""
    linear = Linear(1, len(starts))
    network = Network([linear], SigmoidCrossEntropy())
    if loss == "squared error":
        network = Network([linear, Sigmoid()], SquaredError())
    network.double()
    linear.W.data, linear.b.data = starts[:, :1].clone(), starts[:, 1:].clone()
    return network


@dataclass(frozen=True)
class Ends:
    """Where descent from k starts ended, and how it came there."""

    path: Float[Tensor, "steps k 2"]
    J: Float[Tensor, " k"]
    minima: list[float]
    """The costs of the minima, each once: where no gradient is left, |dJ| < 1e-6, and H is positive definite."""
    moving: int
    """How many starts are on their way yet."""


def descend(loss: str, starts: Float[Tensor, "k 2"], iterations: int, lesson: Lesson) -> Ends:
    """Gradient descent from every start."""
    network = neurons(loss, starts)
    W, b = network.parameters()
    optimizer = GradientDescent([W, b], LEARNING_RATE)
    path = []
    # Descent never climbs: every cost stays within the first ones.
    bins = torch.linspace(0, costs(loss, W, b).max().item(), 61).numpy()
    for i in lesson.track(range(iterations), loss):
        path.append(torch.cat([W, b], dim=1))
        network.cost(X, Y.expand(len(starts), -1))
        network.backward()
        optimizer.step()
        if i % max(1, iterations // 100) == 0:
            J = costs(loss, W, b)
            lesson.scalars(loss, i, {"cost/lowest": J.min().item(), "cost/highest": J.max().item()})
            lesson.board(loss).add(i, summary.histogram("costs", J.numpy(), bins=bins))
    J, H = costs(loss, W, b), hessians(loss, W, b)
    last_step = torch.cat([W, b], dim=1) - path[-1]
    at_rest = (last_step.norm(dim=1) < 1e-6 * LEARNING_RATE) & (torch.linalg.eigvalsh(H)[:, 0] > 1e-4)
    ends = J[at_rest].sort().values
    apart = ends.diff(prepend=ends.new_tensor([-1.0])) > 1e-6
    return Ends(torch.stack(path), J, ends[apart].tolist(), int((~at_rest).sum()))


def draw(axis: Axes, loss: str, smallest: Float[Tensor, "grid grid"], ends: Ends) -> None:
    """J over w and b, red where H has a negative eigenvalue, and a dozen paths."""
    places = torch.linspace(-EDGE, EDGE, len(smallest), dtype=torch.float64)
    b, w = torch.meshgrid(places, places, indexing="ij")
    J = costs(loss, w.reshape(-1, 1), b.reshape(-1, 1)).view_as(w).numpy()
    axis.contour(w.numpy(), b.numpy(), J, levels=30, cmap="viridis", linewidths=0.8)
    if smallest.min() < 0:
        axis.contourf(w.numpy(), b.numpy(), smallest.numpy(), levels=[-1e9, 0], colors="#cc3311", alpha=0.13)
    for path in ends.path[:, :12].unbind(dim=1):
        axis.plot(*path.T.numpy(), color="#222222", linewidth=0.9)
        axis.plot(*path[0].numpy(), "o", color="white", markeredgecolor="#222222", markersize=4)
    axis.plot(*ends.path[-1].T.numpy(), "*", color=COLOURS[1], markeredgecolor="#222222", markersize=11, linestyle="")
    near = START + 1
    axis.set(xlim=(-near, near), ylim=(-near, near), xlabel="w", ylabel="b")
    axis.set_title(f"J(w, b) of the {loss}, minima: {len(ends.minima)}")


def experiment(config: Config, lesson: Lesson) -> Verdict:
    """Look at H over a grid, and descend from every start, under both losses."""
    generator = torch.Generator().manual_seed(config.seed)
    starts = START * (2 * torch.rand(config.starts, 2, generator=generator, dtype=torch.float64) - 1)
    places = torch.linspace(-EDGE, EDGE, config.grid, dtype=torch.float64)
    b, w = (values.reshape(-1, 1) for values in torch.meshgrid(places, places, indexing="ij"))
    along = torch.linspace(-2, 4, 301, dtype=torch.float64)[:, None]

    figure = Figure(figsize=(13, 4.5), layout="constrained")
    panels = figure.subplot_mosaic(
        [["squared error", "log loss", loss + " along w"] for loss in ("squared error", "log loss")]
    )
    ends, eigenvalues = {}, {}
    for loss, colour in zip(("squared error", "log loss"), COLOURS, strict=False):
        ends[loss] = descend(loss, starts, config.iterations, lesson)
        eigenvalues[loss] = torch.linalg.eigvalsh(hessians(loss, w, b))[:, 0]
        draw(panels[loss], loss, eigenvalues[loss].view(config.grid, config.grid), ends[loss])
        panels[loss + " along w"].plot(along, costs(loss, along, torch.zeros_like(along)), color=colour)
        panels[loss + " along w"].set(ylabel="J(w, 0)", title=f"{loss} along w", xlabel="w, with b = 0")
    figure.supxlabel("red: the Hessian has a negative eigenvalue; circles: starts, stars: ends", fontsize=9)
    lesson.show(figure)

    squared, log = ends["squared error"], ends["log loss"]
    at = int(eigenvalues["squared error"].argmin())
    numbers = {
        "squared_smallest_eigenvalue": eigenvalues["squared error"][at].item(),
        "log_smallest_eigenvalue": eigenvalues["log loss"].min().item(),
        "squared_minima": len(squared.minima),
        "log_minima": len(log.minima),
        "squared_moving": squared.moving,
        "log_spread": (log.J.max() - log.J.min()).item(),
    }
    if log.moving:
        ended = f"{log.moving} starts are still on the way, J = {log.J.min().item():.4g} to {log.J.max().item():.4g}"
    else:
        ended = f"every start ends at J = {log.J.max().item():.4f} (spread {numbers['log_spread']:.1g})"
    return Verdict(
        numbers["squared_smallest_eigenvalue"] < -0.01
        and numbers["log_smallest_eigenvalue"] > -1e-12
        and len(squared.minima) > 1
        and len(log.minima) == 1
        and log.moving == 0,
        f"squared error: at w = {w[at].item():.2f}, b = {b[at].item():.2f} the Hessian has the eigenvalue "
        f"{numbers['squared_smallest_eigenvalue']:.2g}, and the {config.starts} starts end in {len(squared.minima)} "
        f"minima, J = {' and '.join(f'{J:.4f}' for J in squared.minima)}, {squared.moving} still on the way; log loss: "
        f"the smallest eigenvalue on the grid is {numbers['log_smallest_eigenvalue']:.1g}, and {ended}",
        numbers,
    )


if __name__ == "__main__":
    main(Config, experiment)
