"""Every mistake that one pull admits, and every gradient in another's place, as values of the whole step."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from torchbasics.check.diagnosis.edges import Edge, Pull, Slip, agree, series
from torchbasics.check.diagnosis.scene import Scene
from torchbasics.check.diagnosis.ways import Candidate, Chain
from torchbasics.check.step import Array


@dataclass(frozen=True)
class Part:
    """What one way gives with a mistake in it, in the step's own scale; `right` is what it should give."""

    key: tuple[int, int, str]
    """Where the mistake is: the same along every way of the same form."""

    id: str
    text: str
    value: Array
    right: Array
    free: Array | None = None


def candidates(scene: Scene) -> Iterator[Candidate]:
    """Every mistake in one pull of one way; or, where a quantity is used at every time step, in all of them."""
    every: dict[tuple[int, int, str], list[Part]] = {}
    for chain in scene.chains:
        whole = chain.gradient(scene.step.of)
        assert whole is not None
        right = scene.s * whole
        for part in (*_slipped(scene, chain, right), *_replaced(scene, chain, right)):
            every.setdefault(part.key, []).append(part)
            value = _complete(scene, part.value, scene.step.right - part.right)
            if value is not None:
                yield Candidate(part.id, part.text, value, part.free)
    for parts in every.values():
        if len(parts) > 1:
            rest = scene.step.right - sum(part.right for part in parts)
            shapes = {part.value.shape for part in parts}
            value = _complete(scene, np.asarray(sum(part.value for part in parts)), rest) if len(shapes) == 1 else None
            if value is not None:
                yield Candidate(parts[0].id, parts[0].text, value)
    yield from _skipped(scene)


def _complete(scene: Scene, mistaken: Array, rest: Array) -> Array | None:
    """The whole step's value; None where the mistake changes the shape, so that nothing could be added to it."""
    if mistaken.shape == rest.shape:
        return np.asarray(mistaken + rest)
    small = np.abs(rest).max(initial=0.0) <= 1e5 * scene.step.rounding * scene.magnitude
    return mistaken if small else None


def _slipped(scene: Scene, chain: Chain, right: Array) -> Iterator[Part]:
    way = chain.way()
    for i, edge in enumerate(way):
        for j, slip in enumerate(edge.slips()):
            value = _pulled(scene, chain, edge, slip.pull)
            if value is not None:
                free = None if slip.free is None else _pulled(scene, chain, edge, slip.free)
                yield Part((i, j, slip.id), _id(scene, slip, edge, way), slip.text, value, right, free)


def _pulled(scene: Scene, chain: Chain, edge: Edge, pull: Pull) -> Array | None:
    try:
        value = chain.gradient(scene.step.of, swap=(edge, pull))
    except (ValueError, IndexError):
        # The mistake doesn't fit these shapes, so nobody can have made it here.
        return None
    return None if value is None else np.asarray(scene.s * value)


def _id(scene: Scene, slip: Slip, edge: Edge, way: list[Edge]) -> str:
    """The mistake's name from what it spoils: the same slip has another name in db, at the output and at a gate."""
    if slip.id == "derivative_missing" and edge.kind == "activation":
        if way[0].kind == "bias":
            return "db_from_dA"
        if is_output(scene, edge.output):
            return "output_derivative_missing"
    if slip.id == "function_for_derivative" and edge.kind == "activation" and is_gate(scene, edge.output):
        return "gate_derivative"
    return slip.id


def is_output(scene: Scene, A: str) -> bool:
    """Whether A is what the cost takes: nothing that has a name is computed from it."""
    graph, step = scene.graph, scene.step
    if A in graph.costs or A not in step.forward or A not in graph.order:
        return A in graph.costs
    later = [label for label in graph.values if graph.order[label] > graph.order[A] and label in step.forward]
    return all(step.vjp(label, A, np.ones_like(graph.values[label])) is None for label in later)


def is_gate(scene: Scene, A: str) -> bool:
    """Whether A scales something entry by entry, rather than being multiplied by weights."""
    graph, step = scene.graph, scene.step
    if A not in graph.order or is_output(scene, A):
        return False
    value = graph.values[A]
    random = np.asarray(np.random.default_rng(2).normal(size=value.shape))
    for label, Q in graph.values.items():
        if Q.shape == value.shape and graph.order[label] > graph.order[A]:
            slope, probe = step.vjp(label, A, np.ones_like(Q)), step.vjp(label, A, random)
            if slope is not None and probe is not None and agree(probe, random * slope, step.rounding):
                kept = slope[slope != 0]
                # Dropout scales too, but by one number.
                return bool(kept.size and np.ptp(kept) > 1e-6 * np.abs(kept).max())
    return False


def _replaced(scene: Scene, chain: Chain, right: Array) -> Iterator[Part]:
    """Another gradient of the user's where one belongs."""
    step, way = scene.step, chain.way()
    pool = {name: G for name, G in _gradients(scene).items() if _is_above(scene, name)}
    for i, node in enumerate(dict.fromkeys(edge.output for edge in way)):
        here = chain.gradient(node)
        for name, other in pool.items():
            if here is None or not _stretches(other, here) or name in (step.name, f"d{node}"):
                continue
            is_dA = _activated(scene, node, name) or _is_dA(scene, node, other, here)
            if not is_dA and _is_version(other, here, step.rounding):
                continue
            try:
                mistaken = chain.gradient(step.of, put=(node, np.broadcast_to(other, here.shape)))
            except ValueError:
                continue
            if mistaken is None:
                continue
            text = f"{name} stands where {{formula}} has d{node}"
            id = "stale_dA"
            if is_dA:
                id = "db_from_dA" if way[0].kind == "bias" else "derivative_missing"
            elif _is_beside(scene, node, name):
                id = "wrong_operand"
            else:
                text += ": it isn't chained through the layers between"
            # The gradient above is another one at each step, but the mistake is the same.
            which = name if id == "stale_dA" else ""
            if id == "wrong_operand":
                # dq for dk, head after head.
                which = f"{series(name)} {_number(name) - _number(node)}"
            yield Part((i, -1, id + which), id, text, np.asarray(scene.s * mistaken), right)
            both = chain.gradient(step.of, put=(node, here + other))
            if both is not None and id == "stale_dA":
                kept = f"{name} is left in d{node} of {{formula}}: it is added up, not computed anew"
                yield Part((i, -2, name), "gradients_not_zeroed", kept, np.asarray(scene.s * both), right)


def _is_beside(scene: Scene, node: str, name: str) -> bool:
    """Whether the gradient is that of a quantity that is not made from the node, as K is not from Q."""
    forward = scene.step.forward
    if node not in forward or name[1:] not in forward or not scene.step.paths:
        return False
    return scene.step.vjp(name[1:], node, np.ones_like(forward[name[1:]])) is None


def _number(label: str) -> int:
    """Of the step or head that a label is of; 0 where it has none."""
    found = re.search(r"(\d+)\)?$", label)
    return int(found[1]) if found else 0


def _is_version(other: Array, here: Array, rounding: float) -> bool:
    """Whether `other` is the user's own value of the very gradient, some of whose entries are wrong."""
    nonzero = np.broadcast_to(other, here.shape)[here != 0] - here[here != 0]
    same = np.abs(nonzero) <= 1e3 * rounding * np.abs(here[here != 0])
    return bool(same.size and same.mean() > 0.1)


def _gradients(scene: Scene) -> dict[str, Array]:
    """The user's gradients, claimed or not, and the dA that a claimed dZ = dA * g'(Z) was made of."""
    step = scene.step
    found = {**{k: v for k, v in step.locals.items() if k.startswith("d")}, **step.backward}
    for label, A in scene.graph.values.items():
        for edge in scene.graph.edges(label) if A.ndim else ():
            dZ = step.backward.get(f"d{edge.input}")
            if edge.kind == "activation" and dZ is not None and f"d{label}" not in found and edge.input != step.of:
                dA = dZ / edge.pull(np.ones_like(dZ))
                if np.isfinite(dA).all():
                    found[f"d{label}"] = dA
    return found


def _is_above(scene: Scene, name: str) -> bool:
    """Whether a gradient comes before the step's in a backward sweep, so that it can't have been computed from it."""
    order, of = scene.graph.order, scene.step.of
    if name == scene.step.name:
        return False
    if name[1:] in order:
        return order[name[1:]] > order.get(of, -1)
    local = scene.step.locals.get(name)
    # A local variable's place is unknown; equal values would explain the step by itself.
    return local is None or not np.array_equal(local, scene.step.yours)


def _skipped(scene: Scene) -> Iterator[Candidate]:
    """The gradient above taken for this one."""
    for name, other in scene.step.backward.items():
        if _is_above(scene, name) and other.shape == scene.step.right.shape and scene.chains:
            id = "stale_dA"
            if _activated(scene, scene.step.of, name):
                id = "output_derivative_missing" if is_output(scene, name[1:]) else "derivative_missing"
            text = f"it is {name} itself: {{formula}}"
            if _carried_to(scene, name[1:]):
                id, text = "truncated", f"the sweep back through time ends at {name}, before it is {{formula}}"
            yield Candidate(id, text, other)


def _carried_to(scene: Scene, state: str) -> bool:
    """Whether a recurrence takes `of` on to the state."""
    carries = {edge.input: edge.output for chain in scene.chains for edge in chain.edges if edge.kind == "carry"}
    node = scene.step.of
    for _ in range(len(carries)):
        node = carries.pop(node, "").removeprefix("z of ")
        if node == state:
            return True
    return False


def _activated(scene: Scene, Z: str, name: str) -> bool:
    """Whether `name` is the gradient of an A = g(Z)."""
    return any(edge.kind == "activation" and edge.input == Z for edge in scene.graph.edges(name[1:]))


def _is_dA(scene: Scene, Z: str, other: Array, dZ: Array) -> bool:
    """Whether `other` is what dZ is made of, dA of an A = g(Z), whatever it is called."""
    for label, A in scene.graph.values.items():
        if A.shape == other.shape == dZ.shape:
            for edge in scene.graph.edges(label):
                if edge.kind == "activation" and edge.input == Z and agree(edge.pull(other), dZ, scene.step.rounding):
                    return True
    return False


def _stretches(other: Array, here: Array) -> bool:
    """Whether NumPy would take `other` for an array of that shape."""
    try:
        return other.ndim == here.ndim and other.size > 1 and np.broadcast_shapes(other.shape, here.shape) == here.shape
    except ValueError:
        return False
