"""Where the boxes of a drawing stand: in columns from left to right, so that every arrow points to the right.

The steps are those of Sugiyama, Tagawa and Toda (1981): a column for each box, the longest way from the leaves, and
from there to the right, up to what needs it first; an order within each column with few crossings, by the mean place of
what a box is connected to; heights that keep the order and come as close as they can to those means.
"""

import bisect
import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torchbasics.errors import InputError
from torchbasics.graph.drawing import Drawing

SWEEPS = 12
# Boxes, and columns that arrows cross, in one picture.
MOST_PLACES = 5_000
Point = tuple[float, float]
# A box by its key, or the place where the k-th arrow crosses a column without a box.
Place = str | tuple[int, int]


@dataclass(frozen=True)
class Layout:
    """In pixels: each box's middle, the points that each arrow runs through, and each label's middle."""

    width: float
    height: float
    boxes: Mapping[str, Point]
    arrows: Sequence[Sequence[Point]]
    labels: Sequence[Point | None]


def columns(drawing: Drawing) -> dict[str, int]:
    """The column of every box, counted from the left."""
    parents, children = defaultdict(list), defaultdict(list)
    for arrow in drawing.arrows:
        parents[arrow.end].append(arrow.start)
        children[arrow.start].append(arrow.end)
    column: dict[str, int] = {}
    for box in drawing.boxes:
        column[box.key] = max((column[parent] + 1 for parent in parents[box.key]), default=0)
    for box in reversed(drawing.boxes):
        if children[box.key]:
            column[box.key] = min(column[child] for child in children[box.key]) - 1
    return column


def spread(wanted: Sequence[float], gaps: Sequence[float]) -> list[float]:
    """The places nearest to those wanted, in least squares, of which each is at least a gap above the next.

    Less the sum of the gaps before it each place is one of a rising sequence: neighbours that would fall are put at
    their mean, as in isotonic regression.

    >>> spread([0.0, 0.0, 10.0], [4.0, 4.0])
    [-2.0, 2.0, 10.0]
    """
    offsets = [0.0, *itertools.accumulate(gaps)]
    blocks: list[tuple[float, int]] = []
    for place, offset in zip(wanted, offsets, strict=True):
        mean, count = place - offset, 1
        while blocks and blocks[-1][0] > mean:
            before, many = blocks.pop()
            mean, count = (before * many + mean * count) / (many + count), many + count
        blocks.append((mean, count))
    risen = [mean for mean, count in blocks for _ in range(count)]
    return [place + offset for place, offset in zip(risen, offsets, strict=True)]


def arrange(drawing: Drawing, sizes: Mapping[str, Point], label_widths: Sequence[float]) -> Layout:
    """Place boxes of these widths and heights, arrows, and labels of these widths.

    Raises `InputError` for a graph of which no picture could be read.
    """
    column = columns(drawing)
    places = len(column) + sum(column[arrow.end] - column[arrow.start] - 1 for arrow in drawing.arrows)
    if places > MOST_PLACES:
        raise InputError(
            f"the graph has {len(drawing.boxes):,} boxes and arrows over {places:,} columns in all, too many to draw; "
            "leave the picture out"
        )
    chains = [_chain(k, arrow.start, arrow.end, column) for k, arrow in enumerate(drawing.arrows)]
    ranks: list[list[Place]] = [[] for _ in range(1 + max(column.values()))]
    for box in drawing.boxes:
        ranks[column[box.key]].append(box.key)
    neighbours: dict[Place, list[Place]] = defaultdict(list)
    before: dict[Place, list[Place]] = defaultdict(list)
    for chain in chains:
        for k, place in enumerate(chain[1:-1], 1):
            ranks[column[str(chain[0])] + k].append(place)
        for start, end in itertools.pairwise(chain):
            neighbours[start].append(end)
            before[end].append(start)
            neighbours[end].append(start)
    ranks = _ordered(ranks, before, neighbours)

    heights = {place: sizes[place][1] if isinstance(place, str) else 14.0 for rank in ranks for place in rank}
    y: dict[Place, float] = {place: 70.0 * k for rank in ranks for k, place in enumerate(rank)}
    for _ in range(SWEEPS):
        for rank in [*ranks, *reversed(ranks)]:
            wanted = [
                sum(y[n] for n in neighbours[place]) / len(neighbours[place]) if neighbours[place] else y[place]
                for place in rank
            ]
            gaps = [(heights[a] + heights[b]) / 2 + 26 for a, b in itertools.pairwise(rank)]
            y.update(zip(rank, spread(wanted, gaps), strict=True))

    widths = [max((sizes[p][0] for p in rank if isinstance(p, str)), default=0.0) for rank in ranks]
    # Labels stand between the column of their box and the next one.
    room = [40.0] * len(ranks)
    for k, chain in enumerate(chains):
        first = column[str(chain[0])]
        room[first] = max(room[first], label_widths[k] + 44)
    x, left = [], 12.0
    for widest, space in zip(widths, room, strict=True):
        x.append(left + widest / 2)
        left += widest + space
    top = min(y[place] - heights[place] / 2 for place in y) - 12
    bottom = max(y[place] + heights[place] / 2 for place in y) + 12
    at = {place: (x[k], y[place] - top) for k, rank in enumerate(ranks) for place in rank}
    arrows = [_through(chain, at, sizes) for chain in chains]
    boxes = {box.key: at[box.key] for box in drawing.boxes}
    labels = _labels(drawing, chains, arrows, column)
    return Layout(left - room[-1] + 12, bottom - top, boxes, arrows, labels)


def _chain(k: int, start: str, end: str, column: Mapping[str, int]) -> list[Place]:
    return [start, *((k, c) for c in range(column[start] + 1, column[end])), end]


def _ordered(
    ranks: list[list[Place]], before: Mapping[Place, list[Place]], neighbours: Mapping[Place, list[Place]]
) -> list[list[Place]]:
    """The order within each column with the fewest crossings that the sweeps find."""
    best, fewest = ranks, _crossings(ranks, before)
    where: dict[Place, float] = {}

    def mean(place: Place) -> float:
        near = neighbours[place]
        return sum(where[n] for n in near) / len(near) if near else where[place]

    for sweep in range(SWEEPS):
        if fewest == 0:
            break
        ranks = [list(rank) for rank in ranks]
        where = {place: k / max(1, len(rank) - 1) for rank in ranks for k, place in enumerate(rank)}
        for rank in ranks if sweep % 2 == 0 else reversed(ranks):
            rank.sort(key=mean)
            where.update((place, k / max(1, len(rank) - 1)) for k, place in enumerate(rank))
        count = _crossings(ranks, before)
        if count < fewest:
            best, fewest = ranks, count
    return best


def _crossings(ranks: Sequence[Sequence[Place]], before: Mapping[Place, list[Place]]) -> int:
    count = 0
    for left, right in itertools.pairwise(ranks):
        where = {place: k for k, place in enumerate(left)}
        # From the top of the right column to its bottom: each end crosses those before it that began further down.
        seen: list[int] = []
        for place in right:
            for start in sorted(where[start] for start in before[place]):
                at = bisect.bisect_right(seen, start)
                count += len(seen) - at
                seen.insert(at, start)
    return count


def _through(chain: Sequence[Place], at: Mapping[Place, Point], sizes: Mapping[str, Point]) -> list[Point]:
    """From the right of the first box through the columns between to the left of the last."""
    start, end = at[chain[0]], at[chain[-1]]
    first = (start[0] + sizes[str(chain[0])][0] / 2, start[1])
    last = (end[0] - sizes[str(chain[-1])][0] / 2, end[1])
    return [first, *(at[place] for place in chain[1:-1]), last]


def _labels(
    drawing: Drawing, chains: Sequence[Sequence[Place]], arrows: Sequence[Sequence[Point]], column: Mapping[str, int]
) -> list[Point | None]:
    """In the middle of each arrow's first stretch, moved apart where they would overlap."""
    labels: list[Point | None] = [None] * len(arrows)
    gaps: dict[int, list[int]] = defaultdict(list)
    for k, arrow in enumerate(drawing.arrows):
        if arrow.label is not None:
            gaps[column[str(chains[k][0])]].append(k)
    for members in gaps.values():
        middles = {k: tuple((a + b) / 2 for a, b in zip(*arrows[k][:2], strict=True)) for k in members}
        members.sort(key=lambda k: (middles[k][1], arrows[k][0][1]))
        heights = spread([middles[k][1] for k in members], [17.0] * (len(members) - 1))
        for k, height in zip(members, heights, strict=True):
            labels[k] = (middles[k][0], height)
    return labels
