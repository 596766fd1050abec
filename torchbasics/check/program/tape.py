"""Tapes: what one run of a program assigned, in order, and further runs of it that follow the first event by event.

A *value* is one array, tensor or float that the program made: every name that it was given, and the event at which it
had its final content, its *cut*. A program is run once under a `Recording`; then again under `Follower`s, which meet
the same events in the same order, and may put something else in a value's place at its cut: a traced leaf, a value
that is a little off, the one entry that a central difference moves.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from torchbasics.check.program.find import HOLDER, is_gradient
from torchbasics.check.program.roles import of_layer
from torchbasics.check.step import Array

Path = tuple[Any, ...]

DEPTH = 5
"""How deep containers are searched: caches are lists of tuples of dicts at worst."""


class Parted(Exception):
    """A run took another way than the one that it was to follow."""


@dataclass
class Event:
    """One tap."""

    frame: int
    name: str
    line: int
    values: list[tuple[Path, int]] = field(default_factory=list)
    """The values that it holds: where in the object, and which."""


@dataclass
class Value:
    """One array, tensor or float that the program made."""

    index: int
    held: Any
    """The object itself, kept alive so that its identity stays its own; None for what it was before it was changed."""

    content: Array
    """As it was at its cut."""

    first: int
    cut: int
    """The event at which it had its final content; -1 for an input."""

    path: Path
    """Where in the object of that event it lies."""

    names: list[tuple[str, int]] = field(default_factory=list)
    """(name, event), in the order in which they were given."""


def is_float(value: Any) -> bool:
    """Whether it is something that can have a derivative."""
    if isinstance(value, torch.Tensor):
        return value.is_floating_point()
    if isinstance(value, np.ndarray | np.generic):
        return bool(value.dtype.kind == "f")
    return type(value) is float


def plain(value: Any) -> Array:
    """A float64 copy as a NumPy array."""
    if isinstance(value, torch.Tensor):
        return value.detach().to(torch.float64).cpu().numpy().copy()
    return np.array(value, dtype=np.float64)


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Everything inside containers and objects, with its path."""
    if len(path) > DEPTH:
        return
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    elif isinstance(value, list | tuple):
        for position, inner in enumerate(value):
            yield from leaves(inner, (*path, position))
    elif hasattr(value, "__dict__") and not isinstance(value, torch.Tensor | np.ndarray | type) and not callable(value):
        for name, inner in vars(value).items():
            yield from leaves(inner, (*path, name))
    else:
        yield path, value


def at(value: Any, path: Path) -> Any:
    """What lies at the path."""
    for key in path:
        value = value[key] if isinstance(value, dict | list | tuple) else getattr(value, key)
    return value


def put(value: Any, path: Path, new: Any) -> Any:
    """`value` with `new` at the path: containers that can be changed are, tuples are made anew."""
    if not path:
        return new
    inner = put(at(value, path[:1]), path[1:], new)
    if isinstance(value, tuple):
        parts = [inner if position == path[0] else part for position, part in enumerate(value)]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    if isinstance(value, dict | list):
        value[path[0]] = inner
    else:
        setattr(value, path[0], inner)
    return value


def own_name_of(name: str, path: Path) -> str:
    """What something is called at a path in what is called `name`: its key; grads["W1"] is the gradient dW1.

    weights[0] is W1, and nabla_w[0] and grads["W"][0] are the gradient dW1.
    """
    if path and (known := of_layer((name, *path) if name else path)):
        own = known
    elif not name and isinstance(path[-1], int):
        # Of a tuple that the program is given, it is named when it is unpacked.
        return ""
    else:
        own = next((key for key in reversed(path) if isinstance(key, str)), name if not path else "")
    return f"d{own}" if path and own and HOLDER.fullmatch(name) and not is_gradient(own) else own


class Recording:
    """The tape of the first run."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.values: list[Value] = []
        self.scalars: dict[str, float] = {}
        self.others: dict[str, Any] = {}
        """Arrays of integers and truth values by name: labels, masks, indices."""

        self.frames: list[tuple[str, int]] = [("", 0)]
        """Every call: the function and the line that it was called from. The first stands for none."""

        self.changed: dict[int, int] = {}
        """Values that were written after they were frozen, with the event."""

        self._known: dict[int, int] = {}
        self._frozen = 0

    def inputs(self, named: dict[str, Any]) -> None:
        """Make known what the program is given."""
        self._note("", named, -1)
        self.freeze()

    def freeze(self) -> None:
        """From here on no value gets another cut: what the backward sweep writes into the forward's is a mistake."""
        self._frozen = len(self.values)

    def enter(self, function: str, line: int) -> int:
        """See `taps.Tape`."""
        self.frames.append((function, line))
        return len(self.frames) - 1

    def argument(self, frame: int, name: str, value: Any) -> Any:
        """See `taps.Tape`."""
        return self.assign(frame, name, self.frames[frame][1], value)

    def assign(self, frame: int, name: str, line: int, value: Any) -> Any:
        """See `taps.Tape`."""
        event = Event(frame, name, line)
        self.events.append(event)
        event.values = self._note(name, value, len(self.events) - 1)
        return value

    def wrote(self, frame: int, name: str, line: int, value: Any) -> Any:
        """See `taps.Tape`."""
        self.assign(frame, name, line, value)
        known = self.value_of(value)
        if known is not None and known.index >= self._frozen and known.cut >= 0:
            # np.empty may hold by chance what is written into it: it is final after the last write all the same.
            known.cut, known.path = len(self.events) - 1, ()
        return value

    def cuts(self) -> dict[int, list[Value]]:
        """The values by the event at which each has its final content."""
        cuts: dict[int, list[Value]] = {}
        for value in self.values:
            if value.cut >= 0:
                cuts.setdefault(value.cut, []).append(value)
        return cuts

    def settle(self) -> None:
        """Forget the cut of every value that was changed behind the taps' back, through a view."""
        for value in self.values:
            if (
                value.cut >= 0
                and value.held is not None
                and value.index not in self.changed
                and not np.array_equal(plain(value.held), value.content, equal_nan=True)
            ):
                value.cut = -1

    def value_of(self, held: Any) -> Value | None:
        """The value that is this very object."""
        index = self._known.get(id(held))
        return None if index is None else self.values[index]

    def _keep_what_it_was(self, value: Value, name: str) -> None:
        """`dh = W.T @ dz; dh[h <= 0] = 0` gives one array, but two gradients: the first is a value of its own.

        After `dZ = dA; dZ[Z <= 0] = 0`, written through `name`, dA stands for the first alone.
        """
        if value.first == value.cut >= 0 and value.content.any() and any(is_gradient(own) for own, _ in value.names):
            names = [(own, event) for own, event in value.names if event == value.first]
            earlier = Value(len(self.values), None, value.content, value.first, value.cut, value.path, names)
            self.values.append(earlier)
            if any(own == name for own, _ in value.names) and all(own != name for own, _ in names):
                value.names = [(own, event) for own, event in value.names if (own, event) not in names]
                event = self.events[value.first]
                event.values = [(path, index) for path, index in event.values if index != value.index]
            self.events[value.first].values.append((value.path, earlier.index))

    def _note(self, name: str, value: Any, at_event: int) -> list[tuple[Path, int]]:
        found: list[tuple[Path, int]] = []
        for path, inner in leaves(value):
            own_name = own_name_of(name, path)
            if is_float(inner):
                index = self._known.get(id(inner))
                if index is None:
                    index = self._known[id(inner)] = len(self.values)
                    self.values.append(Value(index, inner, plain(inner), at_event, at_event, path))
                elif isinstance(inner, np.ndarray | torch.Tensor):
                    known = self.values[index]
                    now = plain(inner)
                    if not np.array_equal(now, known.content, equal_nan=True) and index < self._frozen:
                        self.changed.setdefault(index, at_event)
                    elif not np.array_equal(now, known.content, equal_nan=True):
                        self._keep_what_it_was(known, own_name)
                        known.content, known.cut, known.path = now, at_event, path
                if own_name:
                    self.values[index].names.append((own_name, at_event))
                found.append((path, index))
            elif isinstance(inner, np.ndarray | torch.Tensor):
                self.others[own_name] = inner
            if own_name and isinstance(inner, int | float | np.integer | np.floating) and not isinstance(inner, bool):
                self.scalars.setdefault(own_name, float(inner))
        return found


class Follower:
    """A tape that goes the way of a recording; at each cut, `replace` says what takes a value's place.

    `replace(value, held, in_place)` gives the new object; where the recorded one had been filled by writing into it,
    others hold it too, and the replacement has to be written into it as well: `in_place` says so.
    """

    def __init__(self, recording: Recording, replace: Callable[[Value, Any, bool], Any]) -> None:
        self.recording = recording
        self.replace = replace
        self.position = 0
        self._cuts = recording.cuts()
        self._lines = [0]

    def enter(self, function: str, line: int) -> int:
        """See `taps.Tape`."""
        self._lines.append(line)
        return len(self._lines) - 1

    def argument(self, frame: int, name: str, value: Any) -> Any:
        """See `taps.Tape`."""
        return self.assign(frame, name, self._lines[frame], value)

    def assign(self, frame: int, name: str, line: int, held: Any) -> Any:
        """See `taps.Tape`."""
        position = self.position
        self.position += 1
        if position >= len(self.recording.events):
            raise Parted(f"line {line}: more is assigned than in the first run")
        event = self.recording.events[position]
        if (event.name, event.line) != (name, line):
            raise Parted(
                f"line {line}: {name} is assigned where the first run assigned {event.name} (line {event.line})"
            )
        for value in self._cuts.get(position, ()):
            inner = at(held, value.path)
            new = self.replace(value, inner, value.first < value.cut)
            if new is not inner:
                held = put(held, value.path, new)
        return held

    wrote = assign
