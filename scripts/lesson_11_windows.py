"""Stride, padding and pooling decide the size and the content of what a convolution gives.

A window of f by f pixels that moves s pixels at a time over n of them, with p zeros at both ends, has

    n_out = floor((n + 2p - f) / s) + 1

places, in a convolution as in pooling: "valid" is p = 0, and "same" p = (f - 1) / 2, with which s = 1 gives n_out = n.
The formula is tried on layers of every small setting.

Then a photograph goes through the notes' edge filters. Of the strength |Z| of its vertical edges the lesson measures
what becomes of the strongest, and how much changes when the photograph moves by one pixel, to the right or down. With
A and A' of the two, and a the mean of A,

    change = sqrt( sum (A' - A)^2 / sum (A - a)^2 ),

which is near sqrt(2) where A' and A have nothing to do with one another.

Source: course 4, week 1, "Edge detection example", "Padding", "Strided convolutions" and "Pooling layers".
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.datasets import load_sample_image
from torch import Tensor

from torchbasics.errors import InputError
from torchbasics.layers import AvgPool2d, Conv2d, Layer, MaxPool2d
from torchbasics.lessons.drawing import COLOURS
from torchbasics.lessons.lesson import Lesson, LessonConfig, Verdict, main

VERTICAL = [[1.0, 0.0, -1.0]] * 3
HORIZONTAL = [[1.0] * 3, [0.0] * 3, [-1.0] * 3]
BLUR = [[1 / 49] * 7] * 7


@dataclass(frozen=True)
class Config(LessonConfig):
    """The photograph, of the two that scikit-learn has."""

    photograph: Literal["china", "flower"] = "china"
    """Which one."""

    shrink: int = 4
    """It is made smaller by the mean of squares of this many pixels a side."""

    def check(self) -> None:
        super().check()
        if not 1 <= self.shrink <= 16:
            raise InputError(f"--shrink {self.shrink}: expected 1 to 16, which leaves at least 26 of its 427 rows")


def n_out(n: int, f: int, p: int, s: int) -> int:
    """How many places a window has on n pixels."""
    return (n + 2 * p - f) // s + 1


def convolution(W: Sequence[Sequence[float]], s: int = 1, p: int = 0) -> Conv2d:
    """The layer of one filter, one channel to one."""
    layer = Conv2d(1, 1, len(W), stride=s, padding=p).double()
    layer.W.copy_(torch.tensor(W).view_as(layer.W))
    return layer


def sizes_differ() -> tuple[int, int]:
    """How many layers give another size than the formula says, and how many were tried."""
    wrong = tried = 0
    for n, f, p, s in itertools.product(range(1, 13), range(1, 5), range(3), range(1, 5)):
        if n + 2 * p < f:
            continue  # there is no room for a window
        layers: list[Layer] = [Conv2d(1, 1, f, stride=s, padding=p)]
        if p <= f // 2:
            layers += [MaxPool2d(f, s, p), AvgPool2d(f, s, p)]
        for layer in layers:
            tried += 1
            # Other than it is high by 1, so that the axes can't be mixed up.
            wrong += layer(torch.zeros(1, n, n + 1, 1)).shape != (1, n_out(n, f, p, s), n_out(n + 1, f, p, s), 1)
    return wrong, tried


def photograph(name: str, shrink: int) -> Float[Tensor, "1 H W 1"]:
    """Its brightness, from 0 to 1."""
    pixels = load_sample_image(f"{name}.jpg").mean(axis=2) / 255
    small: Tensor = AvgPool2d(shrink)(torch.from_numpy(pixels)[None, :, :, None])
    return small


def edges(picture: Float[Tensor, "1 H W 1"], s: int = 1) -> Float[Tensor, "1 n_H n_W 1"]:
    """|Z| of the vertical edges, without padding."""
    Z: Tensor = convolution(VERTICAL, s)(picture)
    return Z.abs()


def change(layer: Layer | None, picture: Float[Tensor, "1 H W 1"], s: int = 1) -> float:
    """How much of what the layer gives, or of the edges themselves, changes with a shift by one pixel."""
    changed = spread = 0.0
    for axis in (1, 2):
        n = picture.shape[axis] - 1
        before, after = (edges(picture.narrow(axis, start, n), s) for start in (0, 1))
        if layer is not None:
            before, after = layer(before), layer(after)
        changed += (after - before).square().sum().item()
        spread += (before - before.mean()).square().sum().item()
    return float((changed / spread) ** 0.5)


def draw(axis: Axes, A: Float[Tensor, "1 H W 1"], title: str, window: tuple[int, int, int, int] | None = None) -> None:
    """A as a picture, white where it is largest, with how many rows (n, f, p, s) of a window makes of n."""
    axis.imshow(A[0, :, :, 0].numpy(), cmap="gray", interpolation="nearest")
    height, width = A.shape[1:3]
    formula = ""
    if window is not None:
        n, f, p, s = window
        formula = rf"$\lfloor({n} + 2\cdot{p} - {f})/{s}\rfloor + 1 = {n_out(n, f, p, s)}$"
    axis.set_title(f"{title}: {height}x{width}\n{formula}", fontsize=11)
    axis.set_xticks([])
    axis.set_yticks([])


def experiment(config: Config, lesson: Lesson) -> Verdict:
    """Try the formula; filter the photograph; measure what stride and pooling leave of its edges."""
    wrong, tried = sizes_differ()
    picture = photograph(config.photograph, config.shrink)
    n, valid = picture.shape[1], edges(picture)
    same = convolution(VERTICAL, p=1)(picture).abs()
    # The zeros beside the picture are an edge that nobody has photographed.
    frame = (same[:, :, [0, -1]].mean() / valid.mean()).item()

    figure = Figure(figsize=(13, 8.6), layout="constrained")
    axes = figure.subplots(3, 4)
    draw(axes[0, 0], picture, "photograph")
    draw(axes[0, 1], same, "vertical edges, same", (n, 3, 1, 1))
    draw(axes[0, 2], convolution(HORIZONTAL, p=1)(picture).abs(), "horizontal edges, same", (n, 3, 1, 1))
    draw(axes[0, 3], convolution(BLUR, p=3)(picture), "blur, same", (n, 7, 3, 1))
    draw(axes[1, 0], valid, "vertical edges, valid", (n, 3, 0, 1))
    draw(axes[1, 1], edges(picture, 2), "stride 2", (n, 3, 0, 2))
    draw(axes[1, 2], edges(picture, 4), "stride 4", (n, 3, 0, 4))

    changes = {"nothing": change(None, picture)}
    strongest = {}
    for column, size in zip((0, 2), (2, 4), strict=True):
        ways: dict[str, tuple[Layer | None, int]] = {
            "stride": (None, size),
            "max": (MaxPool2d(size), 1),
            "average": (AvgPool2d(size), 1),
        }
        for k, (way, (layer, s)) in enumerate(ways.items()):
            name = f"{way} {size}"
            A = edges(picture, s) if layer is None else layer(valid)
            # Rows and columns that are left over at the end are in no window.
            rows, columns = (size * places for places in layer(valid).shape[1:3]) if layer else valid.shape[1:3]
            strongest[name] = (A.max() / valid[:, :rows, :columns].max()).item()
            changes[name] = change(layer, picture, s)
            lesson.scalars(way, size, {"strongest edge": strongest[name], "change": changes[name]})
            if layer is not None:
                draw(axes[2, column + k - 1], A, f"{way} pooling {size}", (valid.shape[1], size, 0, size))
    bars = axes[1, 3]
    colours = [COLOURS[("nothing", "stride", "max", "average").index(name.split()[0])] for name in changes]
    for bar, name in zip(bars.barh(list(changes), list(changes.values()), color=colours), changes, strict=True):
        # Within it, for beside the axis it would push the pictures apart.
        bars.text(0.01, bar.get_y() + bar.get_height() / 2, name, color="white", va="center", fontsize=11)
    bars.invert_yaxis()
    bars.set_yticks([])
    bars.set_title("change with a shift by one pixel", fontsize=11)
    lesson.show(figure)

    pooled = {name: value for name, value in changes.items() if name.startswith(("max", "average"))}
    strided = min(changes["stride 2"], changes["stride 4"])
    return Verdict(
        wrong == 0
        and tried > 500
        and strongest["max 2"] == strongest["max 4"] == 1
        and max(strongest["average 2"], strongest["average 4"]) < 0.95
        and max(pooled.values()) < 0.9 * min(changes["nothing"], strided)
        and frame > 1.5,
        f"the formula gives the size of {tried - wrong} of {tried} layers; of the strongest edge max pooling 4 keeps "
        f"{strongest['max 4']:.0%}, average pooling 4 {strongest['average 4']:.0%}; a shift by one pixel changes the "
        f"edges by {changes['nothing']:.2f}, those of stride 4 by {changes['stride 4']:.2f}, of max pooling 4 by "
        f"{changes['max 4']:.2f}; beside the padding they are {frame:.1f} times as strong as elsewhere",
        {"wrong sizes": float(wrong), "sizes": float(tried), "frame": frame}
        | {f"strongest after {name}": value for name, value in strongest.items()}
        | {f"change after {name}": value for name, value in changes.items()},
    )


if __name__ == "__main__":
    main(Config, experiment)
