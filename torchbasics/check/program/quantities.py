"""The quantities of a forward sweep by name: Z1, A1, W1; those that a loop or a helper names alike are numbered."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from torchbasics.check.program.find import HOLDER, is_gradient
from torchbasics.check.program.tape import Recording, Value


@dataclass
class Forward:
    """The quantities of the forward sweep by name."""

    recording: Recording
    end: int
    """The first event that is not the forward sweep's; the number of all where one function does both."""

    combined: bool
    labels: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        firsts: dict[str, list[int]] = {}
        for value in self.recording.values:
            name = self._name(value)
            if name is not None:
                self.labels[value.index] = name
                if value.cut >= 0 and not re.search(r"\d", name):
                    firsts.setdefault(name, []).append(value.index)
        for name, indexes in firsts.items():
            # A layer's helper names every Z just Z: they are numbered as they come. A name that is only assigned anew,
            # such as dropout's A, keeps it.
            if len(indexes) > 1 and (self._frames(name, indexes) > 1 or self._in_loop(name, indexes)):
                for number, index in enumerate(indexes, 1):
                    self.labels[index] = f"{name}{number}" if re.fullmatch("[A-Z]", name) else f"{name}({number})"

    def named(self, name: str, shape: tuple[int, ...] | None = None) -> list[Value]:
        """The values of that name in the order of the sweep; if there is none, those of that shape whose name differs
        in case alone."""
        found = [value for value in self._all() if any(own == name for own in self._own(value))]
        if not found and shape is not None:
            wanted = name.casefold()
            found = [
                value
                for value in self._all()
                if value.content.shape == shape and any(own.casefold() == wanted for own in self._own(value))
            ]
        return sorted(found, key=lambda value: (value.cut, value.index))

    def _all(self) -> Iterator[Value]:
        return (self.recording.values[index] for index in self.labels)

    def _own(self, value: Value) -> Iterator[str]:
        return (name for name, event in value.names if event < self.end)

    def versions(self, value: Value, name: str) -> list[Value]:
        """The values that the same call gave that name in other lines: A2 before and after dropout."""
        at = [(self._frame(event), self._line(event)) for own, event in value.names if own == name and event < self.end]
        if not at:
            return [value]
        frame = at[0][0]
        found: dict[int, Value] = {}
        lines: dict[int, int] = {}
        for other in self.named(name):
            for own, event in other.names:
                if own == name and 0 <= event < self.end and self._frame(event) == frame and other.index not in found:
                    found[other.index], lines[other.index] = other, self._line(event)
        if len(found) < 2 or len(set(lines.values())) < len(found) or value.index not in found:
            return [value]
        return sorted(found.values(), key=lambda other: other.cut)

    def rounds(self, value: Value) -> list[Value]:
        """The values that the same line of the same call made, round after round of a loop."""
        if value.first < 0:
            return [value]
        at = self._frame(value.first), self._line(value.first), value.path
        return [
            other
            for other in self._all()
            if other.first >= 0 and (self._frame(other.first), self._line(other.first), other.path) == at
        ]

    def _name(self, value: Value) -> str | None:
        """The name that tells most: one with a number, or else the first."""
        own = [
            name
            for name, event in value.names
            if event < self.end and name != "return" and not is_gradient(name) and not HOLDER.fullmatch(name)
        ]
        if not own or (self.combined and any(is_gradient(name) for name, _ in value.names[:1])):
            return None
        if value.cut < 0 and value.first < 0:
            return own[0]
        return next((name for name in own if re.fullmatch(r"[A-Za-z_]+\d+", name)), own[0])

    def _frames(self, name: str, indexes: list[int]) -> int:
        return len({self._frame(self.recording.values[index].first) for index in indexes})

    def _in_loop(self, name: str, indexes: list[int]) -> bool:
        return len({self._line(self.recording.values[index].first) for index in indexes}) < len(indexes)

    def _frame(self, event: int) -> int:
        return self.recording.events[event].frame if event >= 0 else -1

    def _line(self, event: int) -> int:
        return self.recording.events[event].line if event >= 0 else 0


class Copies:
    """Finds the forward value that a value is, or is an equal copy of."""

    def __init__(self, forward: Forward) -> None:
        self.forward = forward

    def original(self, index: int) -> Value | None:
        """The forward value itself, or the only one with the same content and shape."""
        forward = self.forward
        value = forward.recording.values[index]
        if index in forward.labels:
            return value
        equal = [
            other
            for other in (forward.recording.values[i] for i in forward.labels)
            if other.content.shape == value.content.shape
            and other.content.size > 1
            and np.array_equal(other.content, value.content)
        ]
        return equal[0] if len(equal) == 1 else None
