"""A drawing as pixels, for TensorBoard's Images tab, which takes no SVG."""

import itertools
import math
from typing import Any

import numpy as np
from jaxtyping import UInt8
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path as Curve

from torchbasics.errors import InputError
from torchbasics.graph.drawing import Drawing
from torchbasics.graph.layout import arrange
from torchbasics.graph.svg import LINE, box_size, text_width

FILLS = {"leaf": "#eef4fb", "computed": "#f6f7f9", "last": "#fdf1e3"}
INK, FAINT, EDGE, BACK, WRONG = "#1d2530", "#667181", "#8a95a5", "#b3480f", "#c22a20"
# Of a hundred of the layout's pixels: what is comfortable, and what can still be read.
DPI, LEAST_DPI = 150, 50
# The longest side in pixels, as Matplotlib has it.
LARGEST = 65_000
# In all; Matplotlib takes some twenty bytes for each.
MOST_PIXELS = 30_000_000
# Points to an inch over the layout's pixels to an inch.
POINT = 72 / 100


def pixels(drawing: Drawing) -> UInt8[np.ndarray, "H W 3"] | None:
    """The same boxes, arrows and labels as the SVG's, at 1.5 times its size.

    A drawing that is too large for an image is drawn smaller; None where it could not be read then.
    """
    sizes = {box.key: box_size(box) for box in drawing.boxes}
    try:
        layout = arrange(drawing, sizes, [text_width(arrow.label or "") for arrow in drawing.arrows])
    except InputError:
        return None
    largest_area = 100 * math.sqrt(MOST_PIXELS / (layout.width * layout.height))
    dpi = min(DPI, 100 * LARGEST / max(layout.width, layout.height), largest_area)
    if dpi < LEAST_DPI:
        return None
    figure = Figure(figsize=(layout.width / 100, layout.height / 100), dpi=dpi)
    axis = figure.add_axes((0, 0, 1, 1))
    axis.set_xlim(0, layout.width)
    axis.set_ylim(layout.height, 0)
    axis.set_axis_off()
    font: dict[str, Any] = {"family": "monospace", "size": 12 * POINT, "ha": "center", "va": "center"}
    for points in layout.arrows:
        vertices, codes = [points[0]], [Curve.MOVETO]
        for (x1, y1), (x2, y2) in itertools.pairwise(points):
            vertices += [((x1 + x2) / 2, y1), ((x1 + x2) / 2, y2), (x2, y2)]
            codes += [Curve.CURVE4] * 3
        head = "-|>,head_width=2.2,head_length=4"
        axis.add_patch(FancyArrowPatch(path=Curve(vertices, codes), arrowstyle=head, color=EDGE, linewidth=0.9))
    for box in drawing.boxes:
        (x, y), (width, height) = layout.boxes[box.key], sizes[box.key]
        corner = (x - width / 2 + 4, y - height / 2 + 4)
        style = "round,pad=4,rounding_size=6"
        fill = FILLS[box.kind]
        axis.add_patch(
            FancyBboxPatch(corner, width - 8, height - 8, style, facecolor=fill, edgecolor=EDGE, linewidth=0.8)
        )
        for k, line in enumerate((box.title, *box.lines)):
            height_of_line = y - height / 2 + LINE * (k + 1) - 3
            axis.text(x, height_of_line, line, color=FAINT if k else INK, parse_math=False, **font)
    for arrow, at in zip(drawing.arrows, layout.labels, strict=True):
        if at is not None and arrow.label is not None:
            ground = {"facecolor": "white", "edgecolor": "none", "pad": 1}
            colour = BACK if arrow.agrees else WRONG
            axis.text(at[0], at[1], arrow.label, color=colour, bbox=ground, parse_math=False, **font)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[:, :, :3]
