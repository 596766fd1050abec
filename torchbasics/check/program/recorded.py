"""One run of a plan, recorded: what it computed, which gradient belongs to what, and what is odd about it."""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from torchbasics.check.program.claims import claims
from torchbasics.check.program.find import Plan, returned_gradients
from torchbasics.check.program.inputs import own
from torchbasics.check.program.matching import Claim
from torchbasics.check.program.quantities import Forward
from torchbasics.check.program.run import DATA, LABELS, Missing, Outcome, backward, forward, upstream_arguments
from torchbasics.check.program.source import Program, where_it_failed
from torchbasics.check.program.tape import Follower, Recording, Value, is_float, leaves, plain
from torchbasics.check.step import Array

EXAMPLES = re.compile(r"m|N|n_?examples|batch(_?size)?|num_?examples|n_samples|M|B")

STATES = re.compile(r"(a|h|c|s)_?(0|prev|init)|A_?prev.*|x_?t", re.IGNORECASE)


class Unchecked(Exception):
    """Nothing can be said about the plan, for this reason."""


class NotRepeatable(Unchecked):
    """The forward sweep isn't the same twice."""


@dataclass
class Run:
    """The program as it ran, and what is known about its quantities."""

    program: Program
    plan: Plan
    inputs: Mapping[str, Any]
    recording: Recording
    outcome: Outcome
    forward: Forward
    claims: list[Claim]
    unmatched: list[str]
    upstream: dict[int, Array]
    """The gradients that the backward function was given, by the position of the output."""

    arguments: dict[str, int]
    """The arguments that they were given as."""

    m: int
    failure: str = ""
    """How the backward sweep failed, if it did; the claims are what was there before."""

    failed_at: int | None = None
    second: dict[int, Array] = field(default_factory=dict)
    """What a second call of the backward gave, where it isn't what the first gave."""

    notes: list[str] = field(default_factory=list)

    @property
    def contents(self) -> dict[int, Array]:
        """Every value by its index."""
        return {value.index: value.content for value in self.recording.values}

    @property
    def rounding(self) -> float:
        """The unit roundoff of the coarsest dtype in the run."""
        # Labels and masks are exact in any dtype.
        inexact = [v for v in self.recording.values if not np.array_equal(v.content, np.round(v.content))]
        return max((unit_roundoff(value.held) for value in inexact), default=2.0**-53)

    @property
    def is_torch(self) -> bool:
        """Whether the program computes with tensors."""
        return any(isinstance(value, torch.Tensor) for _, value in leaves(dict(self.inputs)))

    @property
    def longest(self) -> int:
        """The longest axis of what was computed: how many terms a sum of the backward sweep may have. It sums over
        examples and units; the features of X, which may be many more, are summed over in the forward sweep alone."""
        shapes = [value.content.shape for value in self.recording.values if value.index in self.forward.labels]
        computed = [v.content.shape for v in self.recording.values if v.cut >= 0 and v.index in self.forward.labels]
        return max((max(shape, default=1) for shape in computed or shapes), default=1)


def unit_roundoff(held: Any) -> float:
    """2**-53 for float64, 2**-24 for float32."""
    if isinstance(held, torch.Tensor):
        return torch.finfo(held.dtype).eps / 2
    return float(np.finfo(held.dtype).eps / 2) if isinstance(held, np.ndarray | np.generic) else 2.0**-53


def run(program: Program, plan: Plan, inputs: Mapping[str, Any], seed: int) -> Run:
    """Run forward and backward under a recording, and settle what claims what.

    Raises `Unchecked` for a cost that is no scalar, values that are not finite, and a forward sweep that is not the
    same twice; whatever the program itself raises in its forward sweep goes through.
    """
    recording = Recording()
    given = own(inputs)
    recording.inputs(given)
    outcome = forward(program, plan, program.namespace, given, recording)
    end = len(recording.events)
    arguments = upstream_arguments(program, plan, inputs)
    as_given: dict[int, Array] = {}
    upstream: dict[str, Any] = {}
    if plan.backward is not None:
        recording.settle()
        recording.freeze()
    _finite(recording, end, outcome)
    if arguments and outcome.J is None:
        upstream = _cotangents(plan, outcome, arguments, seed)
        as_given = {arguments[name]: plain(value) for name, value in upstream.items()}
    elif outcome.J is None:
        raise Unchecked(
            f"{plan.forward} has no cost and {plan.backward} takes no upstream gradient (dA, dZ, dout); "
            "name the function of the cost with --cost"
        )
    elif np.size(plain(outcome.J)) != 1:
        raise Unchecked(f"the cost is not a scalar: {plan.cost or plan.forward} gives shape {np.shape(outcome.J)}")
    _same_again(program, plan, inputs, recording, outcome)

    failure, failed_at, notes = "", None, []
    state = _random_state()
    try:
        backward(program, plan, program.namespace, outcome, upstream, recording)
    except Missing:
        raise
    except Exception as error:
        failure = where_it_failed(error, program.path)
        failed_at = int(match[1]) if (match := re.match(r"line (\d+)", failure)) else None
    if plan.backward is not None and state != _random_state():
        notes.append(
            f"{plan.backward} draws random numbers of its own: a mask has to be the forward sweep's, from the cache"
        )
    recording.settle()

    quantities = Forward(recording, end if plan.backward else len(recording.events), plan.backward is None)
    positions: dict[tuple[int, ...], str] = {}
    if "." in plan.forward:
        positions = {(n,): f"d{a.arg}" for n, a in enumerate(program.functions[plan.forward].args.args[1:])}
    given_names = {id(value): name for name, value in upstream.items()}
    last = program.functions[plan.backward or plan.forward]
    found, unmatched = claims(
        quantities, end if plan.backward else 0, given_names, positions or returned_gradients(last)
    )
    outputs = [recording.value_of(outcome.outputs[arguments[name]]) for name in upstream]
    # What the backward function was given there is right by definition.
    ends = {output.index for output in outputs if output is not None}
    found = [claim for claim in found if not ends & set(claim.candidates)]
    for index, event in recording.changed.items():
        at = recording.events[event]
        notes.append(f"line {at.line} writes into {quantities.labels.get(index, at.name)} of the forward sweep")
    second = (
        {} if failure else _second(program, plan, inputs, recording, found, arguments if upstream else {}, as_given)
    )
    return Run(
        program, plan, inputs, recording, outcome, quantities, found, unmatched,
        as_given, arguments if upstream else {},
        _examples(recording, inputs, outcome), failure, failed_at, second, notes,
    )  # fmt: skip


def _second(
    program: Program,
    plan: Plan,
    inputs: Mapping[str, Any],
    recording: Recording,
    found: list[Claim],
    arguments: Mapping[str, int],
    as_given: Mapping[int, Array],
) -> dict[int, Array]:
    """The claims that come out differently when everything is run once more: gradients that are not zeroed before."""
    again: dict[int, Array] = {}

    def keep(value: Value, held: Any, in_place: bool) -> Any:
        again[value.index] = plain(held)
        return held

    follower = Follower(recording, keep)
    with suppress(Exception):
        # It may go another way, or fail: what differs up to there is told all the same.
        outcome = forward(program, plan, program.namespace, own(inputs), follower)
        fresh = {name: like(outcome.outputs[arguments[name]], as_given[arguments[name]]) for name in arguments}
        backward(program, plan, program.namespace, outcome, fresh, follower)
    first = {claim.value: recording.values[claim.value].content for claim in found}
    return {
        index: again[index]
        for index, content in first.items()
        if index in again and not np.array_equal(again[index], content, equal_nan=True)
    }


def parameters(checked: Run) -> Iterator[int]:
    """Inputs whose gradients hold the 1/m in either convention: all but the data and the states of a recurrence."""
    for value in checked.recording.values:
        if value.first < 0 and value.names:
            name = value.names[0][0]
            if not DATA.fullmatch(name) and not STATES.fullmatch(name) and not LABELS.fullmatch(name):
                yield value.index


def _finite(recording: Recording, end: int, outcome: Outcome) -> None:
    """Raises `Unchecked` for a value that is not finite; -inf that ends nowhere may hide a score from a softmax."""
    ends = [plain(end) for end in (outcome.J, *outcome.outputs) if end is not None and is_float(end)]
    hidden = bool(ends) and all(np.isfinite(end).all() for end in ends)
    for value in recording.values:
        if not (np.isfinite(value.content) | (hidden & (value.content == -np.inf))).all():
            index = tuple(int(i) for i in np.argwhere(~np.isfinite(value.content))[0])
            what = "NaN" if np.isnan(value.content[index]) else "an infinity"
            name = value.names[0][0] if value.names else "a value"
            line = recording.events[value.cut].line if value.cut >= 0 else 0
            where = f"line {line}" if line else "the inputs"
            if 0 <= value.cut < end or value.cut < 0:
                raise Unchecked(f"{what} first appears in {name} ({where}), entry {index}")


def _cotangents(plan: Plan, outcome: Outcome, arguments: Mapping[str, int], seed: int) -> dict[str, Any]:
    generator = np.random.default_rng(seed + 1000)
    if max(arguments.values()) >= len(outcome.outputs):
        raise Unchecked(
            f"{plan.forward} returns {len(outcome.outputs)} arrays; {plan.backward} takes the gradients of "
            f"{len(arguments)}: {', '.join(arguments)}"
        )
    return {
        name: like(outcome.outputs[at], np.asarray(generator.normal(size=np.shape(outcome.outputs[at]))))
        for name, at in arguments.items()
    }


def like(output: Any, values: Array) -> Any:
    """The values as the program has them: a tensor or an array of the output's dtype."""
    if isinstance(output, torch.Tensor):
        return torch.from_numpy(np.array(values)).to(output.dtype)
    return np.asarray(values).astype(np.asarray(output).dtype)


def _same_again(
    program: Program, plan: Plan, inputs: Mapping[str, Any], recording: Recording, outcome: Outcome
) -> None:
    """The forward sweep twice on equal inputs gives the same, or nothing can be said about its derivative."""
    state = np.random.get_state()
    again = forward(program, plan, program.namespace, own(inputs), None)
    np.random.set_state(state)
    for first, second in ((outcome.J, again.J), (outcome.output, again.output)):
        if first is not None and is_float(first) and not np.array_equal(plain(first), plain(second), equal_nan=True):
            raise NotRepeatable(
                f"{plan.forward} gives something else the second time (by up to "
                f"{np.abs(plain(first) - plain(second)).max():.3g}); seed its randomness, or draw before it"
            )


def _random_state() -> tuple[Any, ...]:
    kind, keys, position, *rest = np.random.get_state(legacy=True)
    return kind, tuple(keys), position, *rest


def _examples(recording: Recording, inputs: Mapping[str, Any], outcome: Outcome) -> int:
    """m: what the program calls so, or else the axis that labels, data and predictions share."""
    for name, value in recording.scalars.items():
        if EXAMPLES.fullmatch(name) and value > 1 and value == int(value):
            return int(value)
    shapes = [np.shape(value) for name, value in inputs.items() if LABELS.fullmatch(name) or DATA.fullmatch(name)]
    shapes += [np.shape(outcome.output)] if outcome.output is not None else []
    shapes = [shape for shape in shapes if shape]
    for position in (-1, 0):
        sizes = {shape[position] for shape in shapes}
        if len(sizes) == 1 and max(sizes) > 1:
            return int(max(sizes))
    return int(shapes[0][-1]) if shapes else 1
