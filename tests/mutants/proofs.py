"""That a mutant's gradients are others and an equivalent's the same: by running them, without the checker."""

import copy

import numpy as np

from .mutant import Mutant
from .programs import PROGRAMS, Array, cost, draw, gradients, load


def both(planted: Mutant, seed: int) -> tuple[dict[str, Array], dict[str, Array]]:
    """The right gradients and the mutant's at the same inputs."""
    program = PROGRAMS[planted.program]
    namespace = load(planted.source)
    inputs = draw(program, namespace, seed, planted.sizes)
    # The inputs are handed in: a mutant may change the file's own `inputs` to bring its mistake out.
    right = gradients(program, load(program.source), copy.deepcopy(inputs))
    if planted.causes[0] == "gradients_not_zeroed":
        # What is left over from one call to the next shows in the second.
        gradients(program, namespace, copy.deepcopy(inputs))
    return right, gradients(program, namespace, copy.deepcopy(inputs))


def error(right: dict[str, Array], wrong: dict[str, Array]) -> float:
    """The largest difference relative to the largest entry; infinite where shapes differ."""
    largest = 0.0
    for name, value in right.items():
        if name not in wrong or wrong[name].shape != value.shape:
            return np.inf
        largest = max(largest, float(np.max(np.abs(wrong[name] - value)) / np.max(np.abs(value))))
    return largest


def differ(planted: Mutant, seed: int) -> bool:
    """Whether anything shows at these inputs."""
    return error(*both(planted, seed)) > 0


def differs(planted: Mutant) -> bool:
    """By more than 1e-6 at generic inputs."""
    return min(error(*both(planted, seed)) for seed in (0, 1)) > 1e-6


def differs_a_little(planted: Mutant) -> bool:
    """Zeroing entries under 1e-5 is a relative error of 1e-5 or so, far above the rounding of 1e-16."""
    return min(error(*both(planted, seed)) for seed in (0, 1)) > 1e-9


def equals(planted: Mutant) -> bool:
    """The same gradients at 20 draws, and the same cost."""
    program = PROGRAMS[planted.program]
    for seed in range(20):
        right, other = both(planted, seed)
        if right.keys() != other.keys() or error(right, other) >= 1e-13:
            return False
    inputs = draw(program, load(program.source), 0)
    costs = [cost(program, load(source), copy.deepcopy(inputs)) for source in (planted.source, program.source)]
    return costs[0] == costs[1]


def agrees_off_the_kink(planted: Mutant) -> bool:
    """The kink is in the data: moved a little, the file and the program agree."""
    program = PROGRAMS[planted.program]
    inputs = draw(program, load(planted.source), 0)
    random = np.random.default_rng(0)
    moved = {
        name: value + 1e-3 * random.normal(size=value.shape)
        if isinstance(value, np.ndarray) and value.dtype == float
        else value
        for name, value in inputs.items()
    }
    right, other = (gradients(program, load(source), moved) for source in (program.source, planted.source))
    return error(right, other) < 1e-13
