"""Gradients matched with quantities by name, as a reader would tell: `dZ` belongs to what is called Z where it stands.

Where a name is used again (A2 = relu(Z2), then A2 = A2 * D2), the first dA2 belongs to the last A2 and the last dA2 to
the first: the backward sweep runs backward.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from torchbasics.check.program.find import HOLDER, quantity_names
from torchbasics.check.program.quantities import Copies, Forward
from torchbasics.check.program.tape import Event, Recording, Value

DELTA = r"(delta|error)_?(\d*)"


@dataclass
class Claim:
    """One gradient of the user's."""

    name: str
    """As the user calls it."""

    label: str
    """As the report calls it: "dZ1"."""

    value: int
    """Which value of the recording it is."""

    candidates: list[int]
    """The forward values that it may be the gradient of, likeliest first."""

    line: int
    alternatives: list[int] = field(default_factory=list)
    """Earlier values of the same name: what it was before `dA1 = dA1 * D1`."""

    perhaps: tuple[int, ...] = ()
    """Set for what was written over in place later, and may have been no gradient yet, as in ds = p.copy(); ds[i] -= 1:
    the values that all who have the name may be the gradient of."""

    mirrored: int | None = None
    """What it is the gradient of if its loop goes the forward sweep's way: over examples, and not back in time."""

    within: frozenset[int] = frozenset()
    """Set for what a cell hands on and uses itself, an LSTM's c_next: the values of the cell whose gradients are left
    out of it. Its dc_next is what comes from the next cell alone, and the cell adds what comes through a_next."""

    preactivation: bool = False
    """Whether it is meant for what the target was made from, before its activation, even where it is wrong."""

    @property
    def key(self) -> tuple[int, int]:
        """Tells it from every other: one value may be two gradients, as in `dZ = dA`."""
        return self.value, self.candidates[0]


@dataclass
class Met:
    """A gradient met in the backward sweep, before it is settled which of several it stands for."""

    name: str
    value: Value
    line: int


class Matching:
    """Meets the gradients of the backward sweep one after the other; settles at the end which stands for what."""

    def __init__(self, forward: Forward) -> None:
        self.forward = forward
        self.unmatched: dict[str, None] = {}
        self._copies = Copies(forward)
        self._bound: dict[tuple[int, str], int] = {}
        self._ahead: dict[tuple[int, str], int] = {}
        # A call's arguments come before it takes its cache apart: what it binds first under a name will do until then.
        for event in forward.recording.events:
            for path, index in event.values:
                if not path:
                    self._ahead.setdefault((event.frame, event.name), index)
        # By the call and what it may be the gradient of: one value, the versions of one, or the rounds of a loop.
        self._exact: dict[tuple[int, int], list[Met]] = {}
        self._versions: dict[tuple[int, ...], list[Met]] = {}
        self._loops: dict[tuple[int, tuple[int, ...]], list[Met]] = {}
        self._taken: dict[int, set[int]] = {}
        self._layers: dict[str, int] = {}

    def bind(self, event: Event) -> None:
        """From here on its name stands for its value."""
        for path, index in event.values:
            if not path:
                self._bound[event.frame, event.name] = index

    def number(self, deltas: Sequence[tuple[str, Value]]) -> None:
        """Settle which layer each delta1, delta2, ... is of: its own number's, one less where X counts as a layer, or
        counted from the output. Of these the first whose shapes fit and that goes from the last layer to the first."""
        met = {int(match[2]): v for name, v in reversed(deltas) if (match := re.fullmatch(DELTA, name)) and match[2]}
        order = sorted(met, key=lambda number: met[number].cut)
        for layers in (order, [n - 1 for n in order], [max(met) + 1 - n for n in order] if met else []):
            fits = all(self._has_layer(layer, met[number]) for layer, number in zip(layers, order, strict=True))
            if fits and layers == sorted(layers)[::-1]:
                self._layers = {str(number): layer for layer, number in zip(layers, order, strict=True)}
                return

    def _has_layer(self, layer: int, delta: Value) -> bool:
        shape = delta.content.shape
        return any(value.content.shape == shape for value in self.forward.named(f"Z{layer}", shape))

    def meet(self, event: Event, name: str, value: Value) -> None:
        """A gradient of that name."""
        met = Met(name, value, line_of(self.forward.recording, value))
        delta = re.fullmatch(DELTA, name)
        layer = self._layers.get(delta[2]) if delta else None
        if any(self._matches(event.frame, base, met) for base in ([f"Z{layer}"] if layer else quantity_names(name))):
            self._taken.setdefault(value.index, set())
            self.unmatched.pop(name, None)
        elif not HOLDER.fullmatch(name):
            self.unmatched[name] = None

    def _matches(self, frame: int, base: str, met: Met) -> bool:
        target = self._bound_to(frame, base, met.value)
        taken = self._taken.get(met.value.index)
        if taken is not None:
            # It is claimed already; a second claim, as in dZ = dA, has to be as plain as can be.
            if target is None:
                alone = self.forward.named(base)
                target = alone[0] if len(alone) == 1 else None
            if target is None or target.index in taken or target.content.shape != met.value.content.shape:
                return True
        if target is None:
            return self._matches_by_name(frame, base, met)
        self._taken.setdefault(met.value.index, set()).add(target.index)
        several = self.forward.versions(target, base)
        if len(several) == 1:
            self._exact.setdefault((frame, target.index), []).append(met)
        else:
            self._versions.setdefault((frame, *(v.index for v in several)), []).append(met)
        return True

    def _bound_to(self, frame: int, base: str, gradient: Value) -> Value | None:
        """What the name stands for in this call, unless a loop has bound it for another layer by now."""
        there = self._bound.get((frame, base), self._ahead.get((frame, base)))
        target = self._copies.original(there) if there is not None else None
        return None if target is not None and target.cut >= 0 and _parted(target, gradient) else target

    def _matches_by_name(self, frame: int, base: str, met: Met) -> bool:
        named = [v for v in self.forward.named(base, met.value.content.shape) if v.index != met.value.index]
        if not named:
            return False
        indexes = tuple(v.index for v in named)
        if len(named) == 1:
            self._exact.setdefault((frame, indexes[0]), []).append(met)
        elif len(self.forward.versions(named[0], base)) == len(named):
            self._versions.setdefault((frame, *indexes), []).append(met)
        else:
            self._loops.setdefault((frame, indexes), []).append(met)
        return True

    def claims(self) -> list[Claim]:
        """Of everything met; what a loop gave another number of gradients than there are values stays unmatched."""
        made: list[Claim] = []
        for (_, target), found in self._exact.items():
            found.sort(key=lambda met: met.value.cut)
            again = sorted(v.index for v in self.forward.rounds(self.forward.recording.values[target]))
            if len(found) == len(again) > 1 and len({met.line for met in found}) == 1:
                made += self._in_a_loop(found, again)
                continue
            if _slices(found, self.forward.recording.values[target]):
                self.unmatched[found[0].name] = None
                continue
            made.append(self._claim(found[-1], [target], found[:-1]))
        for (_, *versions), found in self._versions.items():
            if len(found) == 1:
                made.append(self._claim(found[0], list(versions), []))
            else:
                made.append(
                    replace(self._claim(found[0], [versions[-1]], []), perhaps=_written_over(found[0], versions))
                )
                made.append(self._claim(found[-1], [versions[0]], []))
        for rounds, found in self._rounds():
            if len(found) == len(rounds):
                made += self._in_a_loop(found, rounds)
            else:
                self.unmatched[found[0].name] = None
        return made

    def _rounds(self) -> Iterator[tuple[tuple[int, ...], list[Met]]]:
        """What a loop met, by the values that it may be the gradients of.

        A cell that is called in a loop meets one each time: those of all its calls belong together.
        """
        calls: dict[tuple[str, str, tuple[int, ...]], list[Met]] = {}
        for (frame, rounds), found in self._loops.items():
            if len(found) == 1 < len(rounds):
                function, _ = self.forward.recording.frames[frame]
                calls.setdefault((function, found[0].name, rounds), []).append(found[0])
            else:
                yield rounds, found
        for (_, _, rounds), found in calls.items():
            yield rounds, found

    def _in_a_loop(self, found: Sequence[Met], rounds: Sequence[int]) -> list[Claim]:
        """The first gradient belongs to the last round, unless both loops go the same way."""
        return [
            replace(self._claim(met, [back], []), mirrored=forth, perhaps=_written_over(met, rounds))
            for met, back, forth in zip(found, reversed(rounds), rounds, strict=True)
        ]

    def _claim(self, met: Met, candidates: list[int], earlier: list[Met]) -> Claim:
        label = f"d{self.forward.labels[candidates[0]]}"
        return Claim(met.name, label, met.value.index, candidates, met.line, [other.value.index for other in earlier])


def _written_over(met: Met, candidates: Sequence[int]) -> tuple[int, ...]:
    return tuple(candidates) if met.value.held is None else ()


def _slices(found: Sequence[Met], target: Value) -> bool:
    """Whether a loop over an axis of the target made them, dA of A[n] in round n: none of them is the gradient of A."""
    shape = target.content.shape
    rounds = [shape[:axis] + shape[axis + 1 :] for axis in (0, len(shape) - 1) if shape and shape[axis] == len(found)]
    lines = {met.line for met in found}
    return len(found) > 1 and len(lines) == 1 and all(met.value.content.shape in rounds for met in found)


def _parted(target: Value, value: Value) -> bool:
    return target.content.shape != value.content.shape and target.content.size != value.content.size


def line_of(recording: Recording, value: Value) -> int:
    """Where it got its final content."""
    event = recording.events[value.cut]
    return event.line or recording.frames[event.frame][1]
