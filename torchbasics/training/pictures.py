"""Pictures of a run: the cost curves, the first layer's weights as images, the test pictures it gets wrong."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

from torchbasics.data.base import Data, ImageShape
from torchbasics.training.engines import likeliest
from torchbasics.training.log import Step

# Manual and torch keep their colours in every picture, those that TensorBoard gives to the first two runs that it finds
# (in Time Series it has others); dashes let the curve underneath be seen.
COLOURS = {"manual": "#ff7043", "torch": "#0077bb"}
DASHES = {"manual": "-", "torch": (0, (4, 4))}


def cost_curves(engines: Sequence[str], steps: Sequence[Step], title: str) -> Figure:
    """J by iteration for every engine; with two engines, log10 |J_manual - J_torch| below it on the same axis."""
    both = len(engines) == 2
    figure = Figure(figsize=(8, 5.5 if both else 4), layout="constrained")
    if both:
        cost, difference = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    else:
        cost = figure.subplots()
    iterations = [step.iteration for step in steps]
    for k, name in enumerate(engines):
        J = [step.costs[k] for step in steps]
        cost.plot(iterations, J, label=name, color=COLOURS[name], linestyle=DASHES[name], linewidth=2)
    # The data and how it descends go to a line of their own: the whole is wider than the picture.
    cost.set_title(title.replace(" on ", "\non ", 1), parse_math=False, fontsize=10)
    cost.set_ylabel("cost J")
    cost.grid(alpha=0.3)
    cost.legend(frameon=False)
    if both:
        differences = np.array([step.cost_difference for step in steps])
        with np.errstate(divide="ignore"):  # equal to the last bit: no point rather than -inf
            exponent = np.log10(differences)
        exponent[differences == 0] = np.nan
        difference.plot(iterations, exponent, ".", color="#555555", markersize=2)
        difference.set_ylabel(r"$\log_{10}|J_\mathrm{manual} - J_\mathrm{torch}|$", fontsize=8)
        difference.grid(alpha=0.3)
        difference.set_xlabel("iteration")
    else:
        cost.set_xlabel("iteration")
    return figure


def save_figure(figure: Figure, path: Path) -> None:
    """Write a PNG: all of it, or none."""
    temporary = path.with_suffix(".tmp")
    try:
        FigureCanvasAgg(figure).print_png(str(temporary))
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def pixels(figure: Figure) -> UInt8[np.ndarray, "H W 3"]:
    """The figure as an image."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[:, :, :3]


def weight_images(W: Float[Tensor, "n ..."], image: ImageShape, most: int = 32) -> Float[Tensor, "C H W"]:
    """The first layer's weights, one picture per unit: grey is 0, and each unit reaches to its own largest |w|.

    W is (n, n_x) of units that see the whole picture, or (n_C, C, f_H, f_W), a convolution's windows. A unit answers
    most to the input that looks like its picture.
    """
    # All of torchvision comes with it, which takes longer to import than a small run to train.
    from torchvision.utils import make_grid

    pictures = (W[:most] if W.ndim == 4 else image.images(W[:most].T)).detach().cpu()
    largest = pictures.abs().amax(dim=(1, 2, 3), keepdim=True).clamp(min=torch.finfo(W.dtype).tiny)
    pictures = (0.5 + pictures / largest / 2).float()
    # Small pictures are drawn large enough to be seen.
    scale = max(1, 96 // max(pictures.shape[2:]))
    pictures = pictures.repeat_interleave(scale, dim=2).repeat_interleave(scale, dim=3)
    grid: Tensor = make_grid(pictures, nrow=8, padding=2, pad_value=1.0)
    return grid


def mistakes(data: Data, probabilities: Float[Tensor, "n_y m"], most: int = 16) -> Figure | None:
    """The test pictures that are classified wrongly, worst first, each with its probability; None if there are none."""
    assert data.image is not None
    Y = data.test.Y
    predicted = likeliest(probabilities)
    wrong = (predicted != Y).squeeze(0).nonzero().squeeze(1)
    if not len(wrong):
        return None
    # p is the probability of label 1 of two, and of the predicted one of more.
    p = probabilities if len(probabilities) == 1 else probabilities.amax(dim=0, keepdim=True)
    sureness = (p - Y).abs() if len(probabilities) == 1 else p
    worst = wrong[sureness[0, wrong].argsort(descending=True)][:most]
    shown = data.image.images(data.test.X[: data.image.n_x, worst])
    pictures = shown.permute(0, 2, 3, 1).cpu().float().clamp(0, 1).numpy()
    columns = min(4, len(worst))
    rows = -(-len(worst) // columns)
    figure = Figure(figsize=(2 * columns, 2.6 * rows + 0.6), layout="constrained")
    heading = f"{len(wrong)} of {data.test.m} test pictures wrong,\nthe surest first"
    figure.suptitle(heading, fontsize=_font_size([heading], columns))
    titles = []
    for index in worst.tolist():
        label = data.classes[int(Y[0, index].item())]
        of = data.classes[1 if len(probabilities) == 1 else int(predicted[0, index].item())]
        titles.append(f"p({of}) = {p[0, index].item():.2f}\nis {label}")
    for axis, picture, title in zip(figure.subplots(rows, columns, squeeze=False).flat, pictures, titles, strict=False):
        axis.imshow(picture, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        axis.set_title(title, fontsize=_font_size(titles, 1), parse_math=False)
    for axis in figure.axes:
        axis.set_axis_off()
    return figure


def _font_size(texts: Sequence[str], columns: int) -> float:
    """As large as fits over so many pictures: TensorBoard shows the whole at a third of its size."""
    # A picture is 2 inches wide, where letters of 1 point come to 240 of them.
    return min(16.0, 240 * columns / max(len(line) for text in texts for line in text.splitlines()))
