"""A recorded run, judged: traced, swept backward, and every gradient weighed against what rounding can do."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from torchbasics.check.program.aside import close, comparable, ends_right, tolerance_of
from torchbasics.check.program.differences import Differences, double
from torchbasics.check.program.inputs import own
from torchbasics.check.program.jitter import SAMPLES, Jitter
from torchbasics.check.program.matching import Claim
from torchbasics.check.program.recorded import Run, like, parameters
from torchbasics.check.program.run import LABELS, backward, forward
from torchbasics.check.program.sweep import Arrived, Scale, Swept, sweep
from torchbasics.check.program.tape import Follower, Path
from torchbasics.check.program.trace import Trace, traced
from torchbasics.check.step import Array
from torchbasics.check.tracing.functions import Untraceable

LIMIT = 6 * 2**0.5
"""Rounding units that two implementations may part by: see `torchbasics.check.networks.rounding`."""

MANY = 8
"""So many gradients of a program whose results are right are read otherwise one by one; of more, all are set aside."""

ENOUGH = 3
"""So many entries make an average of a row or a column."""


@dataclass
class Judged:
    """A claim with its reference and what rounding can do to it."""

    arrived: Arrived
    spread: Array
    """S: see `jitter`. In units of u, per entry."""

    units: Array
    """|yours - reference| in rounding units, per entry."""

    kind: str
    overall: Array | None = None

    @property
    def right(self) -> bool:
        """Whether rounding explains every entry."""
        return bool((self.units <= LIMIT).all())


def trace_of(checked: Run) -> Trace:
    """The forward sweep as autograd knows it, confirmed by two directional differences of the program as it stands.

    Raises `Untraceable`.
    """
    trace = traced(checked.program, checked.plan, checked.inputs, checked.recording, checked.contents, checked.is_torch)
    if not checked.upstream and (trace.J is None or not trace.J.requires_grad):
        raise Untraceable("the cost is not connected to the inputs when traced")
    ends = [trace.outputs[at] for at in checked.upstream]
    if ends and not any(end is not None and end.requires_grad for end in ends):
        raise Untraceable("the output is not connected to the inputs when traced")
    everything = sweep(trace, [], {}, Scale(1.0, frozenset()), checked.upstream).gradients
    differences = Differences(checked.program, checked.plan, checked.inputs, checked.recording, {}, checked.upstream)
    # Labels may have to be 0 or 1, and a number such as lambda positive.
    values = checked.recording.values
    movable = [
        cut.value
        for cut in trace.cuts
        if cut.computed is None
        and type(values[cut.value].held) is not float
        and not any(LABELS.fullmatch(name) for name, _ in values[cut.value].names[:1])
    ]
    generator = np.random.default_rng(7)
    for _ in range(2):
        directions = {index: np.asarray(generator.normal(size=everything[index].shape)) for index in movable}
        expected = sum(float(np.sum(directions[index] * everything[index])) for index in directions)
        size = sum(float(np.sum(np.abs(directions[index] * everything[index]))) for index in directions)
        try:
            measured = differences.along(directions)
        except Exception as error:
            raise Untraceable(f"it fails a little beside its inputs: {type(error).__name__}: {error}") from error
        single = checked.rounding > 1e-10
        if not abs(measured - expected) <= (1e-2 if single else 1e-4) * size + 1e-9:
            raise Untraceable(f"a directional difference of the cost is {measured:.6g}, the traced one {expected:.6g}")
    return trace


def scale_of(checked: Run, trace: Trace) -> tuple[Scale, list[Claim]]:
    """The convention, m dJ/dZ or dJ/dZ, that leaves least wrong, and how names that stand for several values are read.

    `dh` before and after `dh[h <= 0] = 0` are two gradients, of h and of what it was made from: a wrong one is taken
    for the earlier value where that leaves less wrong. Of a parameter it is always the last that counts. A loop's
    gradients belong to the forward's rounds backward, or forward where that leaves less wrong.
    """
    constant = frozenset(parameters(checked))
    tolerance = tolerance_of(checked)

    def wrong(scale: Scale, reading: list[Claim]) -> list[Claim]:
        arrived = sweep(trace, reading, checked.contents, scale, checked.upstream, tolerance=tolerance).arrived
        return [a.claim for a in arrived if not close(a, tolerance)]

    # The notes' convention is the likelier for a network, autograd's for a layer that is given its upstream gradient.
    factors = (float(checked.m), 1.0) if not checked.upstream else (1.0, float(checked.m))
    best: tuple[int, Scale, list[Claim]] | None = None
    for factor in dict.fromkeys(factors):
        scale, reading = Scale(factor, constant), checked.claims
        left = wrong(scale, reading)
        as_read = len(left)
        for cells in _of_cells(checked, reading) if left else ():
            # A path that was forgotten is one mistake; what the rest of the cell agrees on is how it is meant.
            if len(still := wrong(scale, cells)) < min(as_read - 1, len(left)):
                reading, left = cells, still
        if len(left) < as_read:
            # An LSTM's dft is often that of the gate's pre-activation, and may be wrong besides.
            lines = {claim.line for claim in left}
            before = [replace(claim, preactivation=True) if claim.line in lines else claim for claim in reading]
            if len(still := wrong(scale, before)) < len(left):
                reading, left = before, still
        if any(claim.mirrored is not None for claim in left):
            tried = [c if c.mirrored is None else replace(c, candidates=[c.mirrored]) for c in reading]
            still = wrong(scale, tried)
            if len(still) < len(left):
                reading, left = tried, still
        # Every one of many is tried in vain where the names are used otherwise: `set_aside` will do.
        hopeless = len(left) > MANY and ends_right(checked, trace, scale, reading)
        for claim in () if hopeless else left:
            if claim.perhaps:
                tried = [
                    replace(c, candidates=list(claim.perhaps)) if c.candidates[0] in claim.perhaps else c
                    for c in reading
                    if c is not claim
                ]
                still = wrong(scale, tried)
                if len(still) < len(left):
                    reading, left = tried, still
            if claim.alternatives and claim.candidates[0] not in constant:
                other = replace(claim, value=claim.alternatives[0])
                tried = [other if c is claim else c for c in reading]
                still = wrong(scale, tried)
                if len(still) < len(left):
                    reading, left = tried, still
        if best is None or len(left) < best[0]:
            best = len(left), scale, reading
    assert best is not None
    return best[1], best[2]


def _of_cells(checked: Run, reading: list[Claim]) -> Iterator[list[Claim]]:
    """The claims with the gradients of what a cell hands on read as what comes from outside the cell: of all that it
    hands on, and of its first, second, ... output alone."""
    recording = checked.recording
    handed: dict[int, tuple[int, Path]] = {}
    for position, event in enumerate(recording.events[: checked.forward.end]):
        if event.name == "return" and recording.frames[event.frame][1]:
            outputs = {index: (position, path) for path, index in event.values if len(path) == 1}
            handed |= outputs if len(outputs) > 1 else {}
    claimed = {claim.candidates[0] for claim in reading}
    paths = dict.fromkeys(path for index, (_, path) in handed.items() if index in claimed)
    for only in (None, *paths) if len(paths) > 1 else (None,) * len(paths):
        found = []
        for claim in reading:
            value = recording.values[claim.candidates[0]]
            last, path = handed.get(value.index, (-1, ()))
            inner = frozenset(other.index for other in recording.values if value.cut < other.cut <= last)
            meant = value.cut >= 0 and only in (None, path)
            found.append(replace(claim, within=inner) if meant else claim)
        yield found


def judge(checked: Run, trace: Trace, scale: Scale, reading: list[Claim]) -> tuple[list[Judged], Swept]:
    """Every claim with its reference and its rounding, in the order of the backward sweep."""
    tolerance = tolerance_of(checked)
    contents = checked.contents
    swept = sweep(trace, reading, contents, scale, checked.upstream, tolerance=tolerance)
    arrived = swept.arrived
    settled = {a.claim.key: a.place for a in arrived}
    spreads = _spreads(checked, scale, reading, settled, arrived)
    plain_sweep = sweep(trace, [], {}, scale, checked.upstream).gradients
    u = checked.rounding
    own_sum = (1 + checked.longest / 2) ** 0.5
    judged = []
    for a in arrived:
        spread = spreads[a.claim.key]
        if not comparable(a.yours, a.reference):
            units = np.full(a.yours.shape, np.inf)
        else:
            difference = np.abs(a.yours.reshape(a.reference.shape) - a.reference)
            with np.errstate(divide="ignore", invalid="ignore"):
                units = np.asarray(np.where(difference == 0, 0.0, difference / (u * spread * own_sum)))
            units[~np.isfinite(a.yours.reshape(a.reference.shape))] = np.inf
        overall = np.asarray(plain_sweep[a.target] * scale.of(a.target)) if a.inner is None else None
        judged.append(Judged(a, spread, units, "autograd", overall))
    order = {claim.key: position for position, claim in enumerate(reading)}
    return sorted(judged, key=lambda j: order[j.arrived.claim.key]), swept


def _spreads(
    checked: Run,
    scale: Scale,
    reading: list[Claim],
    settled: Mapping[tuple[int, int], tuple[int, int | None]],
    arrived: list[Arrived],
) -> dict[tuple[int, int], Array]:
    """S of every claim; see `jitter`. Where the program can't be repeated a little off, the size of the gradient."""
    size = 2.0**-26
    squares: dict[tuple[int, int], list[Array]] = {a.claim.key: [] for a in arrived}
    bounded: set[tuple[int, int]] = set()

    def errors(size: float, sample: int) -> dict[tuple[int, int], Array]:
        with suppress(Exception):
            # A program that takes another way when its values are a little off: the size of the gradient has to do.
            again = _jittered(checked, scale, reading, settled, size, sample)
            return {key: _error(a) for key, a in again.items() if a.yours.size == a.reference.size}
        return {}

    for sample in range(SAMPLES):
        off = errors(size, sample)
        fitting = [a for a in arrived if a.claim.key in off]
        changes = {a.claim.key: off[a.claim.key] - _error(a) for a in fitting}
        doubtful = [
            a.claim.key
            for a in fitting
            if np.abs(changes[a.claim.key]).max(initial=0.0) > 1e4 * size * np.abs(a.reference).max(initial=0.0)
        ]
        # What cancels to nothing answers to its terms' rounding, in proportion to it; a program that compares for
        # equality answers with anything at all, however small the jitter, and that tells nothing.
        nearer, nearest = (errors(size / by, sample) if doubtful else {} for by in (16, 256))
        for key in doubtful:
            del changes[key]
            if key in nearer and key in nearest:
                change, less = off[key] - nearest[key], nearer[key] - nearest[key]
                if np.abs(less).max() <= np.abs(change).max() / 4:
                    changes[key] = change
                    bounded.add(key)
        for key, change in changes.items():
            squares[key].append((change / size) ** 2)
    spreads: dict[tuple[int, int], Array] = {}
    for a in arrived:
        largest = max(float(np.abs(a.reference).max(initial=0.0)), float(np.abs(a.yours).max(initial=0.0)))
        samples = squares[a.claim.key]
        measured = np.full(a.reference.shape, largest)
        if samples:
            measured = np.sqrt(np.mean(samples, axis=0)).reshape(a.reference.shape)
        measured = np.where(np.isfinite(measured), measured, 0.0)
        size_of_own = np.abs(a.reference) if a.reference.shape == measured.shape else 0.0
        at_most = np.inf if a.claim.key in bounded else 1e4 * largest
        at_least = np.maximum(_typical(np.asarray(np.minimum(measured, at_most))), largest * 1e-3)
        spreads[a.claim.key] = np.asarray(np.clip(np.maximum(measured, size_of_own), at_least, at_most))
    return spreads


def _error(a: Arrived) -> Array:
    return np.asarray(a.yours - a.reference.reshape(a.yours.shape))


def _typical(measured: Array) -> Array:
    """Four samples can miss an entry by chance: none is taken to round less than its rows and columns let expect.

    Of a product of matrices, row i times column j over all: an X of which some features are a million times smaller has
    a dW of which some columns are, and so is their rounding.
    """
    squares = measured**2
    average = float(np.mean(squares)) if squares.size else 0.0
    if not average:
        return np.zeros(measured.shape)
    typical = np.full(measured.shape, average)
    for axis, length in enumerate(measured.shape):
        others = tuple(other for other in range(measured.ndim) if other != axis)
        if length > 1 and measured.size >= ENOUGH * length:
            typical = typical * np.mean(squares, axis=others, keepdims=True) / average
    return np.asarray(np.sqrt(typical))


def _jittered(
    checked: Run,
    scale: Scale,
    reading: list[Claim],
    settled: Mapping[tuple[int, int], tuple[int, int | None]],
    size: float,
    sample: int,
) -> dict[tuple[int, int], Arrived]:
    jitter = Jitter(size, sample)
    program, plan = checked.program, checked.plan
    # In float64 whatever the program's dtype is: a jitter has to be small beside 1 - A and large beside its rounding.
    given = jitter.inputs(double(own(checked.inputs)))
    follower = Follower(checked.recording, jitter.replace)
    outcome = forward(program, plan, program.namespace, given, follower)
    if plan.backward is not None:
        upstream = {name: like(outcome.outputs[at], checked.upstream[at]) for name, at in checked.arguments.items()}
        with suppress(Exception):
            # Where it fails, it failed in the first run too; what was there before is judged.
            backward(program, plan, program.namespace, outcome, upstream, follower)
    contents = {**{v.index: v.content for v in checked.recording.values if v.first < 0}, **jitter.contents}
    trace = traced(program, plan, checked.inputs, checked.recording, contents, checked.is_torch)
    there = [claim for claim in reading if claim.value in contents and claim.key in settled]
    swept = sweep(trace, there, contents, scale, checked.upstream, settled=settled)
    return {a.claim.key: a for a in swept.arrived}
