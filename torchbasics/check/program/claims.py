"""Which gradient of the user's belongs to which quantity of the forward sweep: by names, as a reader would tell.

`dZ1`, `grads["dZ1"]` and a local `dZ` in a helper whose `Z` is that very array all claim Z1. A *claim* is one of the
user's values with the forward value that it is the gradient of. Where a name is used again (A2 = relu(Z2), then
A2 = A2 * D2), the first dA2 belongs to the last A2 and the last dA2 to the first: the backward sweep runs backward.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from torchbasics.check.program.find import HOLDER, is_gradient, quantity_names
from torchbasics.check.program.tape import Event, Recording, Value, own_name_of


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

    @property
    def key(self) -> tuple[int, int]:
        """Tells it from every other: one value may be two gradients, as in `dZ = dA`."""
        return self.value, self.candidates[0]


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


@dataclass
class _Found:
    """A gradient met in the backward sweep, before it is settled which of several it stands for."""

    name: str
    value: Value
    line: int


def claims(
    forward: Forward,
    start: int,
    given: Mapping[int, str] = MappingProxyType({}),
    positions: Mapping[tuple[int, ...], str] = MappingProxyType({}),
) -> tuple[list[Claim], list[str]]:
    """The claims of everything from event `start` on, in the order in which they were made, and the names unmatched.

    `given` maps the identities of the gradients that the backward function was given to their names, which are nobody's
    claims; `positions` are the names of the parts of what it returns. What is returned for an input counts, whatever a
    local variable of that name holds.
    """
    recording = forward.recording
    bound: dict[tuple[int, str], int] = {}
    exact: dict[tuple[int, int], list[_Found]] = {}
    versions: dict[tuple[int, ...], list[_Found]] = {}
    loops: dict[tuple[int, tuple[int, ...]], list[_Found]] = {}
    taken: dict[int, set[int]] = {}
    unmatched: dict[str, None] = {}
    copies = _Copies(forward)
    # A call's arguments come before it takes its cache apart: what it binds first under a name will do until then.
    ahead: dict[tuple[int, str], int] = {}
    for event in recording.events:
        for path, index in event.values:
            if not path:
                ahead.setdefault((event.frame, event.name), index)

    for position, event in enumerate(recording.events):
        for path, index in event.values:
            if not path:
                bound[event.frame, event.name] = index
        if position < start:
            continue
        for path, index in event.values:
            value = recording.values[index]
            own = own_name_of(event.name, path)
            if not is_gradient(own) and not re.fullmatch(r"(delta|error)_?\d*", own):
                continue
            if index in forward.labels or value.cut < start or given.get(id(value.held)) == own:
                continue
            met = _Found(own, value, _line_of(recording, value))
            matched = False
            for base in quantity_names(own):
                there = bound.get((event.frame, base), ahead.get((event.frame, base)))
                target = copies.original(there) if there is not None else None
                if target is not None and target.cut >= 0 and _parted(target, value):
                    # The loop has bound the name for another layer.
                    target = None
                if index in taken and target is None:
                    alone = forward.named(base)
                    target = alone[0] if len(alone) == 1 else None
                if index in taken and (
                    target is None or target.index in taken[index] or target.content.shape != value.content.shape
                ):
                    # It is claimed already; a second claim, as in dZ = dA, has to be as plain as can be.
                    target, matched = None, True
                    break
                if target is not None:
                    taken.setdefault(index, set()).add(target.index)
                    several = forward.versions(target, base)
                    if len(several) == 1:
                        exact.setdefault((event.frame, target.index), []).append(met)
                    else:
                        versions.setdefault((event.frame, *(v.index for v in several)), []).append(met)
                    matched = True
                    break
                named = [v for v in forward.named(base, value.content.shape) if v.index != index]
                if not named:
                    continue
                several = forward.versions(named[0], base) if len(named) > 1 else named
                if len(named) == 1:
                    exact.setdefault((event.frame, named[0].index), []).append(met)
                elif len(several) == len(named):
                    versions.setdefault((event.frame, *(v.index for v in named)), []).append(met)
                else:
                    loops.setdefault((event.frame, tuple(v.index for v in named)), []).append(met)
                matched = True
                break
            if matched:
                taken.setdefault(index, set())
                unmatched.pop(own, None)
            elif not HOLDER.fullmatch(own):
                unmatched[own] = None

    made: list[Claim] = []
    for (_, target_index), found in exact.items():
        found.sort(key=lambda met: met.value.cut)
        made.append(_claim(forward, found[-1], [target_index], found[:-1]))
    for (_, *several_indexes), found in versions.items():
        if len(found) == 1:
            made.append(_claim(forward, found[0], list(several_indexes), []))
        else:
            made.append(_claim(forward, found[0], [several_indexes[-1]], []))
            made.append(_claim(forward, found[-1], [several_indexes[0]], []))
    for (_, indexes), found in loops.items():
        if len(found) == len(indexes):
            made += [_claim(forward, met, [i], []) for met, i in zip(found, reversed(indexes), strict=True)]
        else:
            unmatched[found[0].name] = None
    final = _returned(forward, start, positions)
    result = _totals(recording, [claim for claim in made if claim.candidates[0] not in final] + list(final.values()))
    handed_back = {index for event in _last_return(recording, start) for _, index in event.values}
    for claim in result:
        if claim.value in handed_back:
            # It is what comes out that counts, not what it was before.
            claim.alternatives = []
    claimed = {claim.value for claim in made} | {claim.value for claim in result}
    left = [
        (path, recording.values[index])
        for event in _last_return(recording, start)
        for path, index in event.values
        if index not in claimed and index not in forward.labels and recording.values[index].cut >= start
    ]
    for path, value in left:
        nameless = _by_shape(forward, value, [other for _, other in left], result)
        if nameless is not None:
            result.append(nameless)
        elif value.content.size > 1:
            name = next((name for name, _ in value.names if name != "return"), None)
            unmatched.setdefault(name or f"returned value {'/'.join(str(key) for key in path) or 1}", None)
    return result, list(unmatched)


def _by_shape(forward: Forward, value: Value, left: list[Value], made: list[Claim]) -> Claim | None:
    """A nameless gradient, as in `return dout * (x > 0)`, belongs to the only input of its shape that has none."""
    if forward.combined or value.content.size < 2 or any(name != "return" for name, _ in value.names):
        return None
    shape = value.content.shape
    done = {claim.candidates[0] for claim in made}
    inputs = [index for index in forward.labels if forward.recording.values[index].first < 0 and index not in done]
    fitting = [index for index in inputs if forward.recording.values[index].content.shape == shape]
    if len(fitting) != 1 or sum(other.content.shape == shape for other in left) != 1:
        return None
    label = f"d{forward.labels[fitting[0]]}"
    return Claim(label, label, value.index, fitting, _line_of(forward.recording, value))


def _last_return(recording: Recording, start: int) -> list[Event]:
    """What the outermost function of the backward sweep returns."""
    found = [
        event for event in recording.events[start:] if event.name == "return" and recording.frames[event.frame][1] == 0
    ]
    return found[-1:]


def _returned(forward: Forward, start: int, positions: Mapping[tuple[int, ...], str]) -> dict[int, Claim]:
    """The claims that are made by returning: under a key, or in a place that has a name. Of inputs alone; by input."""
    recording = forward.recording
    found: dict[int, Claim] = {}
    for event in _last_return(recording, start):
        for path, index in event.values:
            value = recording.values[index]
            key = next((key for key in reversed(path) if isinstance(key, str)), None)
            name = key or positions.get(path or (0,))
            if name is None or (value.cut < start and value.held is not None and index in forward.labels):
                continue
            for base in (name, *quantity_names(name)) if key else quantity_names(name):
                inputs = [other for other in forward.named(base) if other.first < 0 and other.index != index]
                if len(inputs) == 1 and inputs[0].content.size:
                    target = inputs[0].index
                    label = f"d{forward.labels[target]}"
                    found[target] = Claim(name, label, index, [target], _line_of(recording, value))
                    break
    return found


def _parted(target: Value, value: Value) -> bool:
    return target.content.shape != value.content.shape and target.content.size != value.content.size


def _claim(forward: Forward, found: _Found, candidates: list[int], earlier: list[_Found]) -> Claim:
    return Claim(
        found.name,
        f"d{forward.labels[candidates[0]]}",
        found.value.index,
        candidates,
        found.line,
        [met.value.index for met in earlier],
    )


def _totals(recording: Recording, made: list[Claim]) -> list[Claim]:
    """Where several calls claim the same quantity, the last has the whole of it; the others are parts, as an RNN cell's
    dWax is."""
    last: dict[int, Claim] = {}
    for claim in sorted(made, key=lambda claim: recording.values[claim.value].cut):
        last[claim.candidates[0]] = claim
    return sorted(last.values(), key=lambda claim: recording.values[claim.value].cut)


class _Copies:
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


def _line_of(recording: Recording, value: Value) -> int:
    """Where it got its final content."""
    event = recording.events[value.cut]
    return event.line or recording.frames[event.frame][1]
