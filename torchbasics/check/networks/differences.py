r"""A derivative by central differences, of ever smaller steps where the first one leaves a doubt.

$$\frac{f(x+h) - f(x-h)}{2h} = f'(x) + \frac{h^2}{6} f'''(x) + \dots, \qquad
  \text{rounding } \frac{u\,|f|}{h}.$$

A step that suits one function is too coarse for another, at $x = 1000$ or close to the end of where f is defined, so
that the steps go down by 8 until rounding shows, and two of them without their $h^2$ (Richardson) are an estimate too.

**A kink** within a step of x makes the slopes on the left and on the right of x differ. Of a smooth f they differ by
$h f''$, an eighth with an eighth of the step; at a kink they go on to differ, and whatever lies between them is right.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

STEPS, SHRINK = 12, 8.0


@dataclass(frozen=True)
class Slopes:
    """The slopes of f from x - h to x and from x to x + h, and their rounding."""

    left: float
    right: float
    rounding: float

    @property
    def central(self) -> float:
        """From x - h to x + h."""
        return (self.left + self.right) / 2

    @property
    def jump(self) -> float:
        """From one side to the other."""
        return abs(self.right - self.left)


class Difference:
    """`scale` d<cotangent, f>/d(at[index]); `at` is float64, and changed in place and put back; `here` is f() there."""

    def __init__(
        self,
        f: Callable[[], Tensor],
        here: Tensor,
        at: Tensor,
        index: tuple[int, ...],
        cotangent: Tensor,
        scale: float = 1.0,
    ) -> None:
        self.f, self.here, self.at, self.index, self.cotangent, self.scale = f, here, at, index, cotangent, scale
        self.x = at[index].item()

    def contradicts(self, claimed: float, close: float) -> float | None:
        """The derivative, if it is not `claimed` to within `close`; None also where f cannot be moved either way.

        At a kink, what lies between the sides is not contradicted.
        """
        found: list[Slopes] = []
        for slopes in self._steps(close):
            found.append(slopes)
            if any(abs(claimed - estimate) <= close + slopes.rounding for estimate in _estimates(found[-2:])):
                return None
        if not found or (_is_kink(found) and _between(claimed, found[-1], close)):
            return None
        return _best(found)

    def value(self, close: float) -> float | None:
        """The derivative; None at a kink whose sides differ by more than `close`."""
        found = list(self._steps(close))
        return None if not found or (_is_kink(found) and found[-1].jump > close) else _best(found)

    def _steps(self, close: float) -> Iterator[Slopes]:
        """From the largest step on, as long as rounding is far below `close`."""
        h, found = 1e-5 * max(1.0, abs(self.x)), False
        for _ in range(STEPS):
            try:
                slopes = self._slopes(h)
            except RuntimeError:  # beyond the edge of where it is defined, as nn.BCELoss is beyond [0, 1]
                slopes = None
            if slopes is not None:
                if found and not slopes.rounding <= close / 16:
                    return
                found = True
                yield slopes
            h /= SHRINK

    def _slopes(self, h: float) -> Slopes | None:
        above, upper = self._moved(self.x + h)
        below, lower = self._moved(self.x - h)
        if not lower < self.x < upper:
            return None
        # Subtracted before they are summed, so that the outputs which do not depend on the entry add no rounding.
        moves = above != below
        size = ((above.abs() + below.abs()) * self.cotangent.abs()).where(moves, 0).sum().item()
        right = ((above - self.here) * self.cotangent).sum().item() / (upper - self.x)
        left = ((self.here - below) * self.cotangent).sum().item() / (self.x - lower)
        # A sum within f, as that of a mean is, moves all outputs by some roundings to the same side.
        rounding = 8 * torch.finfo(torch.float64).eps * size / (upper - lower)
        return Slopes(self.scale * left, self.scale * right, abs(self.scale) * rounding)

    def _moved(self, to: float) -> tuple[Tensor, float]:
        with torch.no_grad():
            self.at[self.index] = to
            try:
                # A reshaped `at` would change with it.
                return self.f().clone(), self.at[self.index].item()
            finally:
                self.at[self.index] = self.x


def _estimates(found: list[Slopes]) -> list[float]:
    """By the last step, and by the last two."""
    last = found[-1].central
    return [last, last + (last - found[0].central) / (SHRINK**2 - 1)]


def _best(found: list[Slopes]) -> float:
    """From the two steps that agree most."""
    pairs = [found[k : k + 2] for k in range(len(found) - 1)] or [found]
    return _estimates(min(pairs, key=lambda pair: abs(pair[-1].central - pair[0].central)))[-1]


def _is_kink(found: list[Slopes]) -> bool:
    """Whether the two sides go on to differ, at the two smallest steps."""
    if len(found) < 2:
        return False
    larger, smaller = found[-2:]
    # That of a smooth f is an eighth; rounding that does not show in the size of f may grow by 8.
    return larger.jump / 2 <= smaller.jump <= 2 * larger.jump and smaller.jump > 4 * smaller.rounding


def _between(claimed: float, slopes: Slopes, close: float) -> bool:
    return min(slopes.left, slopes.right) - close <= claimed <= max(slopes.left, slopes.right) + close
