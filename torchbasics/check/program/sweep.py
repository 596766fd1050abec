r"""The backward sweep, teacher-forced: each gradient judged given the user's own gradients downstream of it.

From the last cut to the first: what arrives at a cut's leaf is the right value given everything downstream; where the
user has a gradient of their own, that one is passed on in its place, so that a mistake is one line and stains nothing.

    dJ/dX = sum over the cuts D that X flows into of  <user's dD, dD/dX>  +  dJ/dX directly
"""

from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.autograd.graph import Node

from torchbasics.check.program.matching import Claim
from torchbasics.check.program.trace import Cut, Trace
from torchbasics.check.step import Array


@dataclass
class Arrived:
    """A claim with what arrived where it belongs."""

    claim: Claim
    target: int
    """The forward value that it is judged as the gradient of."""

    reference: Array
    """In the user's scale."""

    yours: Array
    inner: int | None = None
    """Which unnamed step of what the target is made from it is the gradient of, where it is that."""

    outer: Array | None = None
    """What arrived at the target itself then."""

    @property
    def place(self) -> tuple[int, int | None]:
        """Where it belongs."""
        return self.target, self.inner


@dataclass
class Swept:
    """What a sweep found."""

    arrived: list[Arrived]
    gradients: dict[int, Array]
    """dJ/d(value) as it arrived at every cut, in true scale."""

    passed: dict[int, Tensor]
    """What was passed on at every cut: the user's own gradient where there is one."""

    within: dict[int, frozenset[int]]
    """Of what a cell hands on and uses itself, the cell's values that are left out of its gradient; see `Claim`."""


@dataclass(frozen=True)
class Scale:
    """The convention of the user's intermediate gradients: they are `factor` times dJ/d(that)."""

    factor: float
    parameters: frozenset[int]
    """Forward values whose gradients are dJ/d(that) in either convention."""

    def of(self, target: int) -> float:
        """What dJ/d(target) is multiplied by in the user's scale."""
        return 1.0 if target in self.parameters else self.factor


def sweep(
    trace: Trace,
    claims: list[Claim],
    contents: Mapping[int, Array],
    scale: Scale,
    upstream: Mapping[int, Array],
    settled: Mapping[tuple[int, int], tuple[int, int | None]] | None = None,
    tolerance: float = 1e-6,
) -> Swept:
    """Judge every claim.

    `settled` maps a claim (its key) to its place where that is decided already; otherwise a claim with several
    candidates goes to the one that it equals, and one that is wrong there to an unnamed step before it, if it equals
    the gradient of that: an LSTM's dft is often that of the gate's pre-activation. No claims: the plain sweep.
    """
    leaves = [cut.leaf for cut in trace.cuts]
    for leaf in leaves:
        leaf.grad = None
    for end, cotangent in _ends(trace, scale, upstream):
        end.backward(cotangent, retain_graph=True)

    waiting: dict[int, list[Claim]] = {}
    for claim in claims:
        for candidate in [settled[claim.key][0]] if settled is not None else claim.candidates:
            waiting.setdefault(candidate, []).append(claim)
    claimed = {id(cut.leaf) for cut in trace.cuts if cut.value in waiting}
    within = {claim.candidates[0]: claim.within for claim in claims if claim.within}
    left_out = _LeftOut(trace, within)
    arrived: list[Arrived] = []
    everything: dict[int, Array] = {}
    passed: dict[int, Tensor] = {}
    done: set[tuple[int, int]] = set()
    for cut in reversed(trace.cuts):
        gradient = torch.zeros_like(cut.leaf) if cut.leaf.grad is None else cut.leaf.grad
        inside = left_out.of(cut.value)
        everything[cut.value] = gradient.numpy() + (0.0 if inside is None else inside.numpy())
        factor = scale.of(cut.value)
        meant: tuple[int, Tensor, Tensor] | None = None
        for claim in waiting.get(cut.value, ()):
            if claim.key in done:
                continue
            yours, reference = contents[claim.value], np.asarray(gradient.numpy() * factor)
            last = settled is not None or claim.candidates[0] == cut.value
            if not last and not _alike(yours, reference, tolerance):
                continue
            done.add(claim.key)
            inner = None if settled is None else settled[claim.key][1]
            if inner is not None or (settled is None and not _alike(yours, reference, tolerance)):
                steps = _inside(cut, gradient, claimed)
                if settled is None:
                    inner = _equal_inside(steps, np.asarray(yours / factor), tolerance)
                if inner is None and settled is None and claim.preactivation:
                    inner = _before(steps, yours)
                if inner is not None and inner in steps:
                    arrived.append(
                        Arrived(claim, cut.value, np.asarray(steps[inner].numpy() * factor), yours, inner, reference)
                    )
                    if claim.preactivation and yours.shape == tuple(steps[inner].shape) and np.isfinite(yours).all():
                        meant = inner, torch.from_numpy(np.asarray(yours / factor)), steps[inner]
                    continue
            arrived.append(Arrived(claim, cut.value, reference, yours))
            if yours.size == reference.size and np.isfinite(yours).all() and _squeezed(yours) == _squeezed(reference):
                gradient = torch.from_numpy(np.asarray(yours.reshape(reference.shape) / factor))
        passed[cut.value] = gradient.clone()
        if cut.computed is not None and cut.computed.requires_grad:
            with left_out.by(cut.value), _passing_on(cut, meant):
                cut.computed.backward(gradient if inside is None else gradient + inside, retain_graph=True)
    used = {handed: inner for handed, inner in within.items() if (own := left_out.of(handed)) is not None and own.any()}
    return Swept(arrived, everything, passed, used)


class _LeftOut:
    """What flows within a cell into what it hands on, apart from what flows there from outside."""

    def __init__(self, trace: Trace, within: Mapping[int, frozenset[int]]) -> None:
        self.leaves = {cut.value: cut.leaf for cut in trace.cuts if cut.value in within}
        self.within = within
        self.gradients: dict[int, Tensor] = {}

    def of(self, value: int) -> Tensor | None:
        """What has flowed into the value from within its cell."""
        return self.gradients.get(value)

    @contextmanager
    def by(self, value: int) -> Iterator[None]:
        """What flows back from the value meanwhile is kept apart where the two are of one cell."""
        kept = {handed: self.leaves[handed].grad for handed, inner in self.within.items() if value in inner}
        for handed in kept:
            self.leaves[handed].grad = None
        yield
        for handed, before in kept.items():
            gradient = self.leaves[handed].grad
            if gradient is not None:
                self.gradients[handed] = gradient + self.gradients.get(handed, 0.0)
            self.leaves[handed].grad = before


def paths(trace: Trace, target: int, swept: Swept, scale: Scale, upstream: Mapping[int, Array]) -> dict[int, Array]:
    """What arrived at the target, split by the user's gradient that it came from; -1 stands for J itself.

    In the user's scale. A value that the user has no gradient of is no end of a path: the paths go through it.
    """
    ends = {a.target for a in swept.arrived if a.inner is None}
    starts = [(cut.value, cut.computed, swept.passed[cut.value]) for cut in trace.cuts if cut.value in ends]
    starts += [(-1, end, cotangent) for end, cotangent in _ends(trace, scale, upstream)]
    parts: dict[int, Array] = {}
    for value, computed, cotangent in starts:
        if value in swept.within.get(target, ()):
            continue
        if value != target and computed is not None and computed.requires_grad:
            through = {handed for handed, inner in swept.within.items() if value in inner}
            part = _flow(trace, computed, cotangent, target, ends - through)
            if part is not None and part.any():
                parts[value] = np.asarray(part * scale.of(target)) + parts.get(value, 0.0)
    return parts


def vjp(trace: Trace, output: int, target: int, cotangent: Array) -> Array | None:
    """cotangent * d output / d target, with everything between them free; None where nothing flows."""
    computed = next((cut.computed for cut in trace.cuts if cut.value == output), None)
    if computed is None or not computed.requires_grad or computed.numel() != cotangent.size:
        return None
    return _flow(trace, computed, torch.from_numpy(np.asarray(cotangent)).reshape(computed.shape), target, set())


def _flow(trace: Trace, start: Tensor, cotangent: Tensor, target: int, ends: set[int]) -> Array | None:
    """What flows from `start` back to the target, other than through the values in `ends`."""
    for cut in trace.cuts:
        cut.leaf.grad = None
    start.backward(cotangent, retain_graph=True)
    for cut in reversed(trace.cuts):
        gradient = cut.leaf.grad
        if cut.value == target:
            return None if gradient is None else gradient.numpy().copy()
        if gradient is not None and cut.value not in ends and cut.computed is not None and cut.computed.requires_grad:
            cut.computed.backward(gradient, retain_graph=True)
    return None


def _before(steps: Mapping[int, Tensor], yours: Array) -> int | None:
    """Which of the steps is what an activation is applied to: what has a name, or else the first before the last."""
    fitting = [index for index, gradient in steps.items() if tuple(gradient.shape) == yours.shape]
    named = [index for index in fitting if index < 0]
    return next(iter(named or sorted(fitting)), None)


@contextmanager
def _passing_on(cut: Cut, meant: tuple[int, Tensor, Tensor] | None) -> Iterator[None]:
    """While the cut's gradient flows back, the user's own takes the place of that of one step inside."""
    if meant is None or cut.computed is None or cut.computed.grad_fn is None:
        yield
        return
    index, yours, right = meant
    nodes = _nodes(cut.computed.grad_fn)
    if index > 0:
        handle = nodes[index].register_prehook(lambda gradients: (yours, *gradients[1:]))
        yield
        handle.remove()
        return
    yield
    leaf = _leaves_of(nodes)[-index - 1]
    if leaf.grad is not None:
        leaf.grad = leaf.grad + (yours - right)


def _nodes(last: Node) -> list[Node]:
    """The steps that a value was computed by, the last first, but for where they start."""
    nodes = [last]
    seen = set(nodes)
    for node in nodes:
        for after, _ in node.next_functions:
            if after is not None and after not in seen and "AccumulateGrad" not in after.name():
                seen.add(after)
                nodes.append(after)
    return nodes


def _inside(cut: Cut, gradient: Tensor, claimed: Set[int]) -> dict[int, Tensor]:
    """The gradient of every unnamed step that the value was computed by, in the order of the graph, and of what it was
    computed from (by negative numbers), unless that is claimed itself."""
    if cut.computed is None or cut.computed.grad_fn is None:
        return {}
    nodes = _nodes(cut.computed.grad_fn)
    found: dict[int, Tensor] = {}

    def keep(index: int, outputs: tuple[Tensor | None, ...]) -> None:
        if outputs and outputs[0] is not None:
            found[index] = outputs[0].detach().clone()

    handles = [
        node.register_hook(lambda inputs, outputs, index=index: keep(index, outputs))
        for index, node in enumerate(nodes)
        # What 1 / (1 + exp(-z)) has inside is a -z, whose gradient nobody means.
        if index and not node.name().startswith("Neg")
    ]
    inputs = _leaves_of(nodes)
    gradients = torch.autograd.grad(cut.computed, inputs, gradient, retain_graph=True, allow_unused=True)
    for handle in handles:
        handle.remove()
    for position, (leaf, own) in enumerate(zip(inputs, gradients, strict=True), 1):
        if own is not None and id(leaf) not in claimed:
            found[-position] = own
    return found


def _leaves_of(nodes: list[Node]) -> list[Tensor]:
    variables = [getattr(after, "variable", None) for node in nodes for after, _ in node.next_functions]
    return list({id(leaf): leaf for leaf in variables if leaf is not None}.values())


def _equal_inside(within: Mapping[int, Tensor], yours: Array, tolerance: float) -> int | None:
    for index, inner in within.items():
        if inner.any() and _alike(yours, inner.numpy(), tolerance):
            return index
    return None


def _ends(trace: Trace, scale: Scale, upstream: Mapping[int, Array]) -> Iterator[tuple[Tensor, Tensor]]:
    """Where the sweep starts, and with what: J with 1, or each output with the gradient that was given for it."""
    if not upstream and trace.J is not None and trace.J.requires_grad:
        yield trace.J, torch.ones_like(trace.J)
    for position, gradient in upstream.items():
        output = trace.outputs[position]
        if output is not None and output.requires_grad:
            yield output, torch.from_numpy(np.asarray(gradient / scale.factor))


def _squeezed(values: Array) -> tuple[int, ...]:
    return tuple(n for n in values.shape if n != 1)


def _alike(a: Array, b: Array, tolerance: float) -> bool:
    return a.shape == b.shape and bool(np.abs(a - b).max(initial=0.0) <= tolerance * np.abs(b).max(initial=0.0))
