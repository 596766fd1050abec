"""Which gradient of the user's belongs to which quantity of the forward sweep: by names, as a reader would tell.

`dZ1`, `grads["dZ1"]` and a local `dZ` in a helper whose `Z` is that very array all claim Z1. A *claim* is one of the
user's values with the forward value that it is the gradient of; see `matching`. What a function returns for an input
counts more than what a local variable of that name holds.
"""

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from torchbasics.check.program.find import is_gradient, quantity_names
from torchbasics.check.program.matching import DELTA, Claim, Matching, line_of
from torchbasics.check.program.quantities import Forward
from torchbasics.check.program.tape import Event, Path, Recording, Value, own_name_of


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

    def gradients_in(event: Event) -> Iterator[tuple[str, Value]]:
        for path, index in event.values:
            value, name = recording.values[index], own_name_of(event.name, path)
            if not is_gradient(name) and not re.fullmatch(DELTA, name) and not _of_known(forward, name, value):
                continue
            if index not in forward.labels and value.cut >= start and given.get(id(value.held)) != name:
                yield name, value

    matching = Matching(forward)
    matching.number([(name, value) for event in recording.events[start:] for name, value in gradients_in(event)])
    for position, event in enumerate(recording.events):
        matching.bind(event)
        if position >= start:
            for name, value in gradients_in(event):
                matching.meet(event, name, value)
    made, unmatched = matching.claims(), matching.unmatched

    final = _returned(forward, start, positions)
    result = _totals(recording, [claim for claim in made if claim.candidates[0] not in final] + list(final.values()))
    handed_back = [each for event in _last_return(recording, start) for each in event.values]
    for claim in result:
        if claim.value in {index for _, index in handed_back}:
            # It is what comes out that counts, not what it was before.
            claim.alternatives = []
    claimed = {claim.value for claim in (*made, *result)} | forward.labels.keys()
    left: list[tuple[Path, Value]] = [
        (path, recording.values[index])
        for path, index in handed_back
        if index not in claimed and recording.values[index].cut >= start
    ]
    for path, value in left:
        nameless = _by_shape(forward, value, [other for _, other in left], result)
        if nameless is not None:
            result.append(nameless)
        elif value.content.size > 1:
            local = next((name for name, _ in value.names if name != "return"), None)
            unmatched.setdefault(local or f"returned value {'/'.join(str(key) for key in path) or 1}", None)
    return result, list(unmatched)


def _of_known(forward: Forward, name: str, value: Value) -> bool:
    """Whether a name that may be anything is a gradient's all the same: dot beside an LSTM's ot."""
    named = forward.named(name[1:]) if name[:1] == "d" else []
    return bool(named) and all(of.content.shape == value.content.shape for of in named)


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
    return Claim(label, label, value.index, fitting, line_of(forward.recording, value))


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
                    found[target] = Claim(name, label, index, [target], line_of(recording, value))
                    break
    return found


def _totals(recording: Recording, made: list[Claim]) -> list[Claim]:
    """Where several calls claim the same quantity, the last has the whole of it; the others are parts, as an RNN cell's
    dWax is."""
    last: dict[int, Claim] = {}
    for claim in sorted(made, key=lambda claim: recording.values[claim.value].cut):
        last[claim.candidates[0]] = claim
    return sorted(last.values(), key=lambda claim: recording.values[claim.value].cut)
