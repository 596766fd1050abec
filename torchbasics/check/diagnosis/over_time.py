"""A quantity that is used at every time step: not all of its terms added up, or another state in all of them."""

import re
from collections.abc import Iterator, Mapping

import numpy as np

from torchbasics.check.diagnosis.edges import series
from torchbasics.check.diagnosis.scene import Scene
from torchbasics.check.diagnosis.ways import Candidate
from torchbasics.check.step import Array


def candidates(scene: Scene) -> Iterator[Candidate]:
    """Terms lost, and states mixed up."""
    yield from _lost(scene)
    yield from _other_states(scene)
    yield from _other_factors(scene)


def _lost(scene: Scene) -> Iterator[Candidate]:
    terms: dict[str, Array] = {}
    for chain in scene.chains:
        for edge in chain.edges:
            G = chain.gradient(edge.output) if edge.input == scene.step.of else None
            if G is not None:
                terms[edge.output] = scene.s * edge.pull(G)
    order = scene.graph.order
    ends = sorted(terms, key=lambda label: order.get(label.removeprefix("z of "), len(order)))
    whole = np.asarray(sum(terms.values())) if terms else np.zeros(0)
    if len(ends) < 2 or whole.shape != scene.step.right.shape:
        return
    rest = scene.step.right - whole
    for label in (ends[0], ends[-1], *ends[1:-1]):
        text = f"only the term through {label} is left of {{formula}}: = stands for +="
        yield Candidate("assigned_not_accumulated", text, rest + terms[label])
    if any(not value.any() for value in scene.graph.values.values()):
        text = "only the first step's term of {formula} is left, where the state before is 0: = stands for +="
        yield Candidate("assigned_not_accumulated", text, rest)
    for label in ends[1:-1]:
        text = f"the term through {label} is left out of {{formula}}"
        yield Candidate("assigned_not_accumulated", text, scene.step.right - terms[label])
    # Two uses of tied weights are no sweep through time.
    for count in range(1, len(ends)) if len({series(label) for label in ends}) == 1 else ():
        text = f"only the last {count} of {len(ends)} terms are left of {{formula}}"
        yield Candidate("truncated", text, np.asarray(rest + sum(terms[label] for label in ends[-count:])))
        first = f"only the first {count} of {len(ends)} terms are left of {{formula}}"
        yield Candidate("truncated", first, np.asarray(rest + sum(terms[label] for label in ends[:count])))


def _other_states(scene: Scene) -> Iterator[Candidate]:
    """A weight's gradient with another state than the one that it is multiplied by, at every time step."""
    if scene.step.right.ndim != 2:
        return
    gradients, states = _numbered(scene.step.backward), _numbered(scene.graph.values)
    gradients["(dz)"] = _of_sums(scene)
    for gradient, Gs in gradients.items():
        for state, As in states.items():
            for shift in (0, 1, -1) if len(Gs) > 1 else ():
                value = _summed(Gs, {t - shift: A for t, A in As.items()})
                if value is not None:
                    step = f"t+{shift}" if shift > 0 else f"t-{-shift}" if shift else "t"
                    text = f"the sum over t of {gradient}_t {state}_({step})^T stands for {{formula}}"
                    yield Candidate("A_for_A_prev", text, scene.s * value)


def _other_factors(scene: Scene) -> Iterator[Candidate]:
    """In a loop over the examples, numbers of the loop where entries of X belong: a dz for x dz."""
    step, graph = scene.step, scene.graph
    ends = [chain.frontier for chain in scene.chains if chain.cotangent.size == 1 and chain.frontier in graph.order]
    if len(ends) < 3 or step.right.size < 2:
        return
    ends.sort(key=lambda label: graph.order[label])
    numbers: dict[str, list[float]] = {}
    for label, value in step.forward.items():
        if value.size == 1:
            numbers.setdefault(series(label), []).append(float(value.reshape(-1)[0]))
    Gs = [float(step.backward[f"d{end}"].reshape(-1)[0]) for end in ends if f"d{end}" in step.backward]
    for name, factors in numbers.items():
        if len(factors) == len(Gs) == len(ends):
            text = f"{name} stands where {{formula}} has a factor of its own for each entry"
            total = scene.s * sum(G * factor for G, factor in zip(Gs, factors, strict=True))
            yield Candidate("A_for_A_prev", text, np.full(step.right.shape, total))


def _of_sums(scene: Scene) -> dict[int, Array]:
    """The gradient of what each step's weights give, which has no name where a cell is one line."""
    found: dict[int, Array] = {}
    for chain in scene.chains:
        for edge in chain.edges:
            number = re.search(r"(\d+)\D*$", edge.output)
            G = chain.gradient(edge.output) if edge.input == scene.step.of and number else None
            if G is not None and number:
                found[int(number[1])] = G
    return found


def _summed(Gs: Mapping[int, Array], As: Mapping[int, Array]) -> Array | None:
    """The sum over t of G_t A_t^T, where all of them are there and fit."""
    pairs = [(G, As[t]) for t, G in Gs.items() if t in As]
    shapes = {(G.shape, A.shape) for G, A in pairs}
    if len(pairs) < len(Gs) or len(shapes) != 1:
        return None
    G, A = next(iter(shapes))
    if len(G) != 2 or len(A) != 2 or G[1] != A[1]:
        return None
    return np.asarray(sum(G @ A.T for G, A in pairs))


def _numbered(values: Mapping[str, Array]) -> dict[str, dict[int, Array]]:
    """The values of time steps by their name and number."""
    found: dict[str, dict[int, Array]] = {}
    for label, value in values.items():
        match = re.fullmatch(r"(\w*?[A-Za-z_])[(\[]?(\d+)[)\]]?", label)
        if match:
            found.setdefault(match[1], {})[int(match[2])] = value
    return found
