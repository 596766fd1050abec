"""A cell with two outputs, such as an LSTM's: every step in it is a product of factors, entry by entry.

    dft = (dc_next c_prev + da_next o (1 - tanh(c)^2) c_prev) f (1 - f)

Legend: `right` is the sum of its parts by the gradient that each comes from; what a part should be, times or over a
factor of its size, is what is left of it where that factor is lost, doubled, or another stands for it.
"""

from collections.abc import Iterator

import numpy as np

from torchbasics.check.diagnosis.edges import agree, series
from torchbasics.check.diagnosis.ways import Candidate
from torchbasics.check.step import Array, Step


def candidates(step: Step) -> Iterator[Candidate]:
    """Mistakes in the derivative of a gate, in the paths into it, and in the factors of these."""
    same = {label: value for label, value in step.forward.items() if value.shape == step.right.shape and np.ptp(value)}
    slope = np.ones_like(step.right)
    if step.outer is not None and step.outer.shape == step.right.shape:
        slope = np.asarray(step.right / step.outer)
        yield from _derivatives(step, step.outer, same)
    parts = {f: part * slope for f, part in step.paths.items() if part.shape == step.right.shape and part.any()}
    if step.of in step.handed:
        nothing = "nothing comes back from the next step: {formula} is lost"
        yield Candidate("carry_dropped", nothing, np.zeros_like(step.right))
    if "J" in parts and len(parts) > 1:
        alone = "nothing comes back from the next step: of {formula} only what comes from outside is left"
        yield Candidate("carry_dropped", alone, parts["J"])
        lost = "what comes from outside at this step isn't added to {formula}"
        yield Candidate("assigned_not_accumulated", lost, step.right - parts["J"])
    for frontier, part in parts.items():
        if frontier == "J":
            continue
        id = "carry_dropped" if frontier in step.handed else "cell_output_missing"
        text = f"what comes through {frontier} is left out of {{formula}}"
        yield Candidate(id, text, step.right - part)
        yield Candidate("operand_sign", f"what comes through {frontier} has the wrong sign: {{formula}}",
                        step.right - 2 * part)  # fmt: skip
        yield from _factors(same, part, step.right - part, f" in what comes through {frontier}")
    yield from _factors(same, step.right, np.zeros_like(step.right), "")


def _derivatives(step: Step, outer: Array, same: dict[str, Array]) -> Iterator[Candidate]:
    of, A = step.of, step.forward[step.of]
    slopes = {"sigmoid": A * (1 - A), "tanh": 1 - A**2}
    own = next((name for name, g in slopes.items() if agree(step.right, outer * g, 100 * step.rounding)), "")
    left_out = f"the derivative of {of} is left out of d{of}: it is meant for what {of} is made from"
    yield Candidate("derivative_missing", left_out, outer)
    function = f"{of} itself stands for its derivative in {{formula}}"
    yield Candidate("gate_derivative" if own == "sigmoid" else "function_for_derivative", function, outer * A)
    for name, g in slopes.items():
        if name != own:
            yield Candidate("other_activation", f"{name}'s derivative stands for {own}'s in {{formula}}", outer * g)
    for label, B in same.items():
        for g in (B * (1 - B), 1 - B**2) if label != of else ():
            text = f"the derivative of {label} stands for that of {of} in {{formula}}"
            yield Candidate("other_gate", text, outer * g)


def _factors(same: dict[str, Array], part: Array, rest: Array, where: str) -> Iterator[Candidate]:
    kinds: dict[str, Array] = {}
    for label, value in same.items():
        kinds |= {label: value, f"tanh({label})": np.tanh(value), f"(1 - tanh({label})^2)": 1 - np.tanh(value) ** 2}
    for name, factor in kinds.items():
        missing = f"the factor {name} is left out of {{formula}}{where}"
        yield Candidate("cell_factor_missing", missing, rest + part / factor)
        twice = f"the factor {name} is once too often in {{formula}}{where}"
        yield Candidate("cell_factor_missing", twice, rest + part * factor)
    for name, factor in kinds.items():
        for other, value in kinds.items():
            if other != name and series(other) != name:
                text = f"{other} stands for {name} in {{formula}}{where}"
                yield Candidate("wrong_operand", text, rest + part * value / factor)
