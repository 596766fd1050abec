"""What the pictures of several lessons have in common: the plane's points with what a network decides between them."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from torch import Tensor

# In the order in which a picture's curves get them: told apart by most who can't tell red from green.
COLOURS = ("#0077bb", "#ee7733", "#009988", "#cc3311", "#33bbee", "#ee3377", "#bbbbbb")
# Label 0 red and label 1 blue, as the course plots its points.
CLASSES = ListedColormap(["#cc3311", "#0077bb"])


def boundary(
    axis: Axes, predict: Callable[[Tensor], Tensor], X: Float[Tensor, "2 m"], Y: Float[Tensor, "1 m"], steps: int = 200
) -> None:
    """Draw the points X by their labels over the probability of label 1 that `predict` gives, and its line p = 1/2."""
    low, high = X.min(dim=1).values, X.max(dim=1).values
    margin = 0.08 * (high - low)
    first, second = (
        torch.linspace(a, b, steps, dtype=X.dtype) for a, b in zip(low - margin, high + margin, strict=True)
    )
    columns, rows = torch.meshgrid(first, second, indexing="xy")
    p = predict(torch.stack([columns.flatten(), rows.flatten()])).view(steps, steps).numpy()
    axis.imshow(
        p,
        origin="lower",
        extent=(first[0].item(), first[-1].item(), second[0].item(), second[-1].item()),
        aspect="auto",
        cmap="RdBu",
        alpha=0.5,
        vmin=0,
        vmax=1,
    )
    if p.min() < 0.5 < p.max():
        axis.contour(columns.numpy(), rows.numpy(), p, levels=[0.5], colors="#222222", linewidths=1.2)
    points = X.numpy()
    axis.scatter(points[0], points[1], c=Y[0].numpy(), cmap=CLASSES, s=9, edgecolors="white", linewidths=0.3)
    axis.set_xlabel("$x_1$")
    axis.set_ylabel("$x_2$")
