"""A drawing as SVG that needs nothing else: no script, no network, light or dark as the reader has it."""

import itertools
from collections.abc import Sequence
from html import escape

from torchbasics.graph.drawing import Arrow, Box, Drawing
from torchbasics.graph.layout import Point, arrange

GENERATOR = "<!-- drawn by torchbasics graph -->"
"""By this line a file is known as ours."""

# Of the monospaced letters, in pixels.
LETTER, LINE = 7.3, 17.0
STYLE = """
.torchbasics-graph { --ground: #fff; --ink: #1d2530; --faint: #667181; --edge: #8a95a5; --leaf: #eef4fb;
  --computed: #f6f7f9; --last: #fdf1e3; --back: #b3480f; --wrong: #c22a20;
  font: 12px ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
@media (prefers-color-scheme: dark) {
  .torchbasics-graph { --ground: #14181e; --ink: #e4e8ee; --faint: #97a3b3; --edge: #66717f; --leaf: #1b2a3c;
    --computed: #1c222a; --last: #3a2c1a; --back: #f0995a; --wrong: #ff7b70; }
}
.torchbasics-graph .ground { fill: var(--ground); }
.torchbasics-graph .box { stroke: var(--edge); stroke-width: 1; fill: var(--computed); }
.torchbasics-graph .leaf { fill: var(--leaf); }
.torchbasics-graph .last { fill: var(--last); stroke-width: 2; }
.torchbasics-graph text { fill: var(--ink); text-anchor: middle; }
.torchbasics-graph .value, .torchbasics-graph .note { fill: var(--faint); }
.torchbasics-graph .note { text-anchor: start; }
.torchbasics-graph .edge { fill: none; stroke: var(--edge); stroke-width: 1.3; }
.torchbasics-graph .head { fill: var(--edge); }
.torchbasics-graph .back { fill: var(--back); }
.torchbasics-graph .back.wrong { fill: var(--wrong); font-weight: bold; }
"""


def svg(drawing: Drawing) -> str:
    """The drawing, as an SVG element that may stand in a page or in a file."""
    sizes = {box.key: box_size(box) for box in drawing.boxes}
    labels = [text_width(arrow.label or "") for arrow in drawing.arrows]
    layout = arrange(drawing, sizes, labels)
    width, height = max(layout.width, text_width(drawing.note) + 24), layout.height + LINE + 8
    parts = [
        f'<svg class="torchbasics-graph" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}" role="img" aria-label="{escape(drawing.title)}">',
        GENERATOR,
        f"<title>{escape(drawing.title)}</title><style>{STYLE}</style>",
        '<defs><marker id="torchbasics-head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto"><path class="head" d="M0 0 L8 4 L0 8 z"/></marker></defs>',
        f'<rect class="ground" width="{width:.0f}" height="{height:.0f}"/>',
        *(_edge(points) for points in layout.arrows),
        *(_box(box, layout.boxes[box.key], sizes[box.key]) for box in drawing.boxes),
        *(_label(arrow, at) for arrow, at in zip(drawing.arrows, layout.labels, strict=True) if at is not None),
        f'<text class="note" x="12" y="{height - 8:.0f}">{escape(drawing.note)}</text>',
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def text_width(text: str) -> float:
    """In pixels."""
    return LETTER * len(text)


def box_size(box: Box) -> Point:
    """Width and height in pixels."""
    return max(map(text_width, (box.title, *box.lines))) + 20, LINE * (1 + len(box.lines)) + 12


def _box(box: Box, at: Point, size: Point) -> str:
    (x, y), (width, height) = at, size
    lines = [
        f'<text{" class=" + chr(34) + "value" + chr(34) if k else ""} x="{x:.1f}" '
        f'y="{y - height / 2 + LINE * (k + 1) + 2:.1f}">{escape(line)}</text>'
        for k, line in enumerate((box.title, *box.lines))
    ]
    return (
        f'<rect class="box {box.kind}" x="{x - width / 2:.1f}" y="{y - height / 2:.1f}" width="{width:.1f}" '
        f'height="{height:.1f}" rx="6"/>{"".join(lines)}'
    )


def _edge(points: Sequence[Point]) -> str:
    path = [f"M{points[0][0]:.1f} {points[0][1]:.1f}"]
    for (x1, y1), (x2, y2) in itertools.pairwise(points):
        middle = (x1 + x2) / 2
        path.append(f"C{middle:.1f} {y1:.1f} {middle:.1f} {y2:.1f} {x2:.1f} {y2:.1f}")
    return f'<path class="edge" d="{" ".join(path)}" marker-end="url(#torchbasics-head)"/>'


def _label(arrow: Arrow, at: Point) -> str:
    kind = "back" if arrow.agrees else "back wrong"
    said = (arrow.label or "") + ("" if arrow.agrees else " (autograd disagrees)")
    width = text_width(said) + 6
    return (
        f'<rect class="ground" x="{at[0] - width / 2:.1f}" y="{at[1] - LINE / 2:.1f}" width="{width:.1f}" '
        f'height="{LINE:g}"/><text class="{kind}" x="{at[0]:.1f}" y="{at[1] + 4:.1f}">{escape(said)}</text>'
    )
