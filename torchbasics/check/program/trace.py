"""The forward sweep once more, cut at every value that the program named, so that each step can be judged on its own.

A traced run follows the recording. At each cut the traced value is compared with the recorded one and replaced by a new
leaf that holds exactly what the program had there: every step then starts from the program's own numbers, forward as
well as backward, and its autograd graph reaches back to the leaves of the steps before and no further.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from torchbasics.check.program.find import Plan
from torchbasics.check.program.inputs import own
from torchbasics.check.program.run import forward
from torchbasics.check.program.source import Program
from torchbasics.check.program.tape import Follower, Parted, Recording, Value, is_float, leaves, put
from torchbasics.check.step import Array
from torchbasics.check.tracing.array import Traced, Untraceable
from torchbasics.check.tracing.stand_in import stand_ins


@dataclass
class Cut:
    """A named value: the leaf that holds it, and what the step before it computed."""

    value: int
    computed: Tensor | None
    """None for an input."""

    leaf: Tensor


@dataclass
class Trace:
    """The forward sweep as autograd knows it."""

    cuts: list[Cut]
    """In the order of the sweep, inputs first."""

    J: Tensor | None
    """None where the program has no cost of its own."""

    outputs: list[Tensor | None]
    """What the forward function returned: its arrays in order."""


def traced(
    program: Program,
    plan: Plan,
    inputs: Mapping[str, Any],
    recording: Recording,
    contents: Mapping[int, Array],
    is_torch: bool,
) -> Trace:
    """Trace the forward sweep and the cost. `contents` are the values that the run to be judged had, by index.

    Raises `Untraceable` when something in it cannot be traced, or what was traced is not what the program computed.
    """
    cuts: list[Cut] = []

    def leaf(value: Value) -> Tensor:
        return torch.from_numpy(contents[value.index].copy()).requires_grad_()

    def replace(value: Value, held: Any, in_place: bool) -> Any:
        if isinstance(held, Traced):
            computed = held.tensor
        elif isinstance(held, Tensor) and is_torch:
            computed = held
        else:
            return held
        if value.index not in contents:
            return held
        _same(value, computed, contents[value.index])
        cut = Cut(value.index, computed, leaf(value))
        cuts.append(cut)
        if is_torch:
            return cut.leaf.clone()
        assert isinstance(held, Traced)
        if in_place:
            held.replace(cut.leaf)
            return held
        return Traced(cut.leaf, scalar=held.ndim == 0) if held.ndim == 0 else Traced(cut.leaf)

    given = own(inputs)
    known = {value.path: value for value in recording.values if value.first < 0}
    for path, value in list(leaves(given)):
        if is_float(value):
            new = leaf(known[path])
            cuts.append(Cut(known[path].index, None, new))
            put(given, path, new.clone() if is_torch else Traced(new))

    follower = Follower(recording, replace)
    namespace: Mapping[str, Any] = program.namespace
    default = torch.get_default_dtype()
    try:
        if is_torch:
            torch.set_default_dtype(torch.float64)
        else:
            stand_in = stand_ins()
            namespace = program.with_stand_ins(stand_in.modules, stand_in.builtins)
        with torch.enable_grad():
            outcome = forward(program, plan, namespace, given, follower)
    except (Untraceable, Parted):
        raise
    except Exception as error:
        raise Untraceable(f"{type(error).__name__}: {error}") from error
    finally:
        torch.set_default_dtype(default)
    return Trace(cuts, _tensor(outcome.J), [_tensor(output) for output in outcome.outputs])


def _tensor(value: Any) -> Tensor | None:
    if isinstance(value, Traced):
        return value.tensor
    return value if isinstance(value, Tensor) else None


def _same(value: Value, computed: Tensor, recorded: Array) -> None:
    """What was traced has to be what the program computed, to the rounding of single precision."""
    if tuple(computed.shape) != recorded.shape:
        raise Untraceable(
            f"{value.names[0][0]} has shape {tuple(computed.shape)} when traced, {recorded.shape} when run"
        )
    finite = np.isfinite(recorded)
    if not finite.any():
        return
    difference = np.abs(computed.detach().numpy() - recorded)[finite].max()
    if not difference <= 1e-3 * max(np.abs(recorded[finite]).max(), 1e-30):
        raise Untraceable(f"{value.names[0][0]} comes out differently when traced")
