"""Mistakes that are seen in the gradient as a whole: lost paths, L2, transposes, lost axes, other gradients added."""

import re
from collections.abc import Iterator

import numpy as np

from torchbasics.check.diagnosis import scale
from torchbasics.check.diagnosis.activation import recognised, slips
from torchbasics.check.diagnosis.edges import agree, series
from torchbasics.check.diagnosis.normalisation import path_kind
from torchbasics.check.diagnosis.regularisation import penalty_text
from torchbasics.check.diagnosis.scene import Scene
from torchbasics.check.diagnosis.ways import Candidate
from torchbasics.check.step import Array


def candidates(scene: Scene) -> Iterator[Candidate]:
    """All of them."""
    yield from penalties(scene)
    yield from beside_penalty(scene)
    yield from paths(scene)
    yield from rounds(scene)
    yield from local_derivative(scene)
    yield from between(scene)
    yield from shapes(scene)
    yield from added(scene)
    yield from given(scene)
    yield from overwritten(scene)
    if scene.carries():
        lost = "nothing is passed on to this step from the one after it: {formula}"
        yield Candidate("carry_dropped", lost, np.zeros_like(scene.step.right))


def overwritten(scene: Scene) -> Iterator[Candidate]:
    """The gradient of A = g(Z) with g' in it: dZ = dA is no copy, and dZ *= g'(Z) writes into dA too."""
    step, A = scene.step, scene.step.forward[scene.step.of]
    for label, Z in scene.graph.before(step.of).items() if step.of in scene.graph.order else ():
        g = recognised(Z, A, step.rounding) if Z.shape == A.shape and scene.graph.claimed(label) else None
        if g is not None:
            slope = g.from_A(A) if g.from_A is not None else g.from_Z(Z)
            applied = f"{g.text.format(Z=label, A=step.of)} is in it already, where it should be {{formula}}: "
            text = f"{applied}d{label} = {step.name} is no copy, and what is written into the one is in the other"
            yield Candidate("extra_output_derivative", text, step.right * slope)


def given(scene: Scene) -> Iterator[Candidate]:
    """What arrives at one step of a recurrence from outside, where it is all that arrives, left out."""
    step = scene.step
    numbered = re.search(r"\d\)?$", step.of)
    for label in step.paths:
        if numbered and len(step.paths) == 1 and label not in ("J", step.of) and step.forward[label].ndim == 3:
            lost = f"d{label} isn't added at this step, where {{formula}} needs it"
            yield Candidate("assigned_not_accumulated", lost, np.zeros_like(step.right))


def penalties(scene: Scene) -> Iterator[Candidate]:
    """L2's term missing, of the other sign, with another coefficient, or where it doesn't belong."""
    step = scene.step
    value = step.forward[step.of]
    if value.shape != step.right.shape:
        return
    if scene.penalty.any():
        text = scene.penalty_text()
        rest = step.right - scene.penalty
        yield Candidate("l2_missing", f"the regularisation's {text} is left out of {{formula}}", rest)
        sign = f"the regularisation's {text} has the wrong sign in {{formula}}"
        yield Candidate("regularisation_sign", sign, rest - scene.penalty)
        times = f"the regularisation's term is {{k}} times the {text} of {{formula}}"
        yield Candidate("l2_coefficient", times, rest, scene.penalty)
        alone = "only the regularisation's term is left of {formula}"
        yield Candidate("assigned_not_accumulated", alone, scene.penalty)
    else:
        name, lam = scene.strength()
        if lam:
            for k in (lam / step.m, lam, 2 * lam, 2 * lam / step.m, lam / (2 * step.m), lam / 2):
                text = f"{penalty_text(step.of, name, k, lam, step.m)} is added, which is in no cost: {{formula}}"
                yield Candidate("bias_regularised", text, step.right + k * value)
        if value.size > 2:
            other = f"{{k}} {step.of} is added, which is in no cost: {{formula}}"
            yield Candidate("bias_regularised", other, step.right, value)


def beside_penalty(scene: Scene) -> Iterator[Candidate]:
    """A wrong factor of the data's part, with the regularisation's term as it should be."""
    if not scene.penalty.any():
        return
    data = scene.step.right - scene.penalty
    for k, id, text, certain in (*scale.common(scene), *scale.rare(scene)):
        yield Candidate(id, text, k * data + scene.penalty, certain=certain)
    if data.ndim == 2 and data.shape == data.T.shape:
        turned = "the data's part of {formula} is transposed"
        yield Candidate("transpose_missing", turned, data.T + scene.penalty)


def local_derivative(scene: Scene) -> Iterator[Candidate]:
    """Mistakes in g' where A = g(of) is known and what comes down to A isn't: the right value over g' stands for it."""
    step, graph = scene.step, scene.graph
    Z = np.atleast_1d(step.forward[step.of])
    if any(edge.kind == "activation" and edge.input == step.of for chain in scene.chains for edge in chain.edges):
        return
    for label, value in graph.values.items():
        A = np.atleast_1d(value)
        g = (
            recognised(Z, A, step.rounding)
            if A.shape == Z.shape and graph.order[label] > graph.order.get(step.of, -1)
            else None
        )
        if g is None:
            continue
        slope = g.from_A(A) if g.from_A is not None else g.from_Z(Z)
        for slip in slips(g, Z, A, slope, (step.of, label)):
            mistaken = slip.pull(step.right / slope)
            if np.isfinite(mistaken).all():
                yield Candidate(slip.id, slip.text, mistaken.reshape(step.right.shape))
        return


def paths(scene: Scene) -> Iterator[Candidate]:
    """A value that is used more than once, and not all its uses counted."""
    step = scene.step
    parts = {f: part for f, part in step.paths.items() if part.shape == step.right.shape and part.any()}
    if len(parts) < 2 or (len(parts) == 2 and scene.penalty.any()):
        return
    if len({series(frontier) for frontier in parts}) == 1 and len(scene.chains) == len(parts):
        # One use at each time step: what can be lost there is told by the terms of `mistaken`.
        return
    for frontier, part in parts.items():
        kind = None
        if frontier in step.forward:
            kind = path_kind(step.forward[step.of], step.forward[frontier], step.rounding)
        carried = scene.carries(frontier)
        lost = "carry_dropped" if carried else kind or "assigned_not_accumulated"
        missing = f"the path through {frontier} is left out of {{formula}}"
        yield Candidate(lost, missing, step.right - part)
        sign = f"the path through {frontier} has the wrong sign: {{formula}}"
        yield Candidate("operand_sign", sign, step.right - 2 * part)
        if len(parts) > 2:
            # Of two paths, only one left is the other left out.
            only = f"{step.of} is used {len(parts)} times: only the path through {frontier} is left of {{formula}}"
            yield Candidate("carry_dropped" if carried else "assigned_not_accumulated", only, part)
        if carried and not _goes_on(scene):
            ends = f"the sweep back through time ends at {step.of}, before all of {{formula}} is added up"
            yield Candidate("truncated", ends, part)
        fewer = f"the path through {frontier} is divided by m - 1, not by m: {{formula}}"
        ddof = "batchnorm_ddof" if kind else "divided_by_other"
        yield Candidate(ddof, fewer, step.right + part / (step.m - 1 or 1))
        twice = f"the path through {frontier} is a factor 2 off in {{formula}}"
        yield Candidate("factor_two", twice, step.right + part)
        yield Candidate("factor_two", twice, step.right - part / 2)
        lacks = f"the path through {frontier} lacks its 1/m: {{formula}}"
        yield Candidate("one_over_m_missing", lacks, step.right + (step.m - 1) * part)


def rounds(scene: Scene) -> Iterator[Candidate]:
    """A value that every round of a loop uses several times, as X is used by q, k and v of each head: the parts of some
    rounds, or those of one use in all of them, lost."""
    step = scene.step
    parts = {f: part for f, part in step.paths.items() if part.shape == step.right.shape and part.any()}
    kinds: dict[str, list[Array]] = {}
    turns: dict[int, list[Array]] = {}
    for frontier, part in parts.items():
        if match := re.search(r"(\d+)\)?$", frontier):
            kinds.setdefault(series(frontier), []).append(part)
            turns.setdefault(int(match[1]), []).append(part)
    if len(kinds) < 2 or len(turns) < 2:
        return
    for number in (max(turns), min(turns)):
        text = f"only what comes through round {number} of the loop is left of {{formula}}: = stands for +="
        yield Candidate("assigned_not_accumulated", text, np.asarray(sum(turns[number])))
    for kind, several in kinds.items():
        text = f"the paths through {kind} are left out of {{formula}}"
        yield Candidate("assigned_not_accumulated", text, step.right - sum(several))
        sign = f"the paths through {kind} have the wrong sign: {{formula}}"
        yield Candidate("operand_sign", sign, step.right - 2 * np.asarray(sum(several)))


def _goes_on(scene: Scene) -> bool:
    """Whether the user has gradients of states before this one."""
    graph, of = scene.graph, scene.step.of
    earlier = [label for label in graph.values if graph.order[label] < graph.order.get(of, -1)]
    return any(series(label) == series(of) and graph.claimed(label) for label in earlier)


def between(scene: Scene) -> Iterator[Candidate]:
    """The paths through one unclaimed quantity between the step and where its gradient comes from."""
    step, graph = scene.step, scene.graph
    for chain in scene.chains:
        if chain.frontier == graph.sink or chain.frontier not in graph.order or step.of not in graph.order:
            continue
        for node, value in graph.values.items():
            inside = graph.order[step.of] < graph.order[node] < graph.order[chain.frontier]
            if not inside or f"d{node}" in step.backward:
                continue
            above = step.vjp(chain.frontier, node, chain.cotangent)
            part = None if above is None else step.vjp(node, step.of, above)
            if part is None or part.shape != step.right.shape:
                continue
            kind = path_kind(step.forward[step.of], value, step.rounding) or "assigned_not_accumulated"
            text = f"the path through {node} is left out of {{formula}}"
            yield Candidate(kind, text, step.right - scene.s * part)
            only = f"only the path through {node} is left of {{formula}}"
            yield Candidate("assigned_not_accumulated", only, scene.s * part)


def shapes(scene: Scene) -> Iterator[Candidate]:
    """The right numbers in another order or shape."""
    step = scene.step
    right = step.right
    if right.ndim == 2:
        if step.yours.shape == right.T.shape:
            yield Candidate("transpose_missing", "it is the transpose of {formula}", right.T)
        yield Candidate("kernel_flipped", "it is turned by 180 degrees: {formula}", right[::-1, ::-1])
    if step.yours.shape != right.shape and right.size == step.yours.size:
        kept = "keepdims leaves an axis too many" if step.yours.ndim > right.ndim else "keepdims is lost"
        flat = f"shape {step.yours.shape}, expected {right.shape}: {kept} in {{formula}}"
        yield Candidate("keepdims_lost", flat, right.reshape(step.yours.shape))
    if right.ndim == 4:
        pairs = {(0, 1), (2, 3), (1, 2), (1, 3)}
        for a, b in sorted(pairs):
            text = f"axes {a} and {b} are swapped: {{formula}}"
            yield Candidate("channels_swapped", text, right.swapaxes(a, b))


def added(scene: Scene) -> Iterator[Candidate]:
    """The right value plus another gradient or array of the user's, left over from before."""
    step = scene.step
    for name, value in {**step.backward, **step.locals}.items():
        # The right value itself, or the user's, under another name was not left over from before.
        known = any(agree(value, own, 100 * step.rounding) for own in (step.right, step.yours))
        if name != step.name and value.shape == step.right.shape and value.any() and not known:
            text = f"{name} is added to {{formula}}: it wasn't zeroed"
            yield Candidate("gradients_not_zeroed", text, step.right + value)
