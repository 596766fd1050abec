"""Ours beside the other checks, on the same mutants: how many wrong gradients each lets pass."""

from dataclasses import dataclass

from . import others
from .mutant import ROWS, SUBTLE, Mutant
from .programs import PROGRAMS
from .trial import of_mutant, right, try_right

OURS = {"torchbasics check": "float64", "torchbasics check, float32": "float32"}
CHECKS = (*OURS, *others.CHECKS)
DTYPES = ("float64", "float32")

GROUPS = {
    "factors: 1/m, n for m, 2": ("one_over_m_missing", "one_over_m_twice", "divided_by_other", "factor_two"),
    "signs": ("sign_flipped", "parenthesis", "operand_sign"),
    "g' left out, of another function, fed the wrong value": (
        "derivative_missing",
        "output_derivative_missing",
        "extra_output_derivative",
        "derivative_fed_A",
        "derivative_fed_Z",
        "function_for_derivative",
        "other_activation",
        "mask_always_true",
        "gate_derivative",
        "other_gate",
        "cell_factor_missing",
    ),
    "products: transpose, * for dot, another array": (
        "transpose_missing",
        "elementwise_for_dot",
        "A_for_A_prev",
        "dW_for_W",
        "stale_dA",
        "W_updated_first",
    ),
    "db: axis, keepdims, from another array": (
        "db_no_axis",
        "db_wrong_axis",
        "db_from_dA",
        "db_from_dW",
        "db_averaged_over_units",
        "keepdims_lost",
    ),
    "L2, dropout": (
        "regularisation_sign",
        "l2_missing",
        "l2_coefficient",
        "bias_regularised",
        "dropout_mask_missing",
        "dropout_scale_missing",
    ),
    "sums: = for +=, not zeroed, repeated indices": (
        "assigned_not_accumulated",
        "gradients_not_zeroed",
        "repeated_indices",
    ),
    "softmax, batch norm": (
        "softmax_diagonal_only",
        "softmax_outer_missing",
        "softmax_wrong_axis",
        "softmax_sum_weight",
        "softmax_diagonal_missing",
        "softmax_twice",
        "batchnorm_mean_path",
        "batchnorm_variance_path",
        "batchnorm_gamma_missing",
        "batchnorm_ddof",
    ),
    "convolution, pooling, recurrence, attention": (
        "attention_scale_missing",
        "wrong_operand",
        "kernel_flipped",
        "channels_swapped",
        "window_offset",
        "pool_ties",
        "average_missing",
        "carry_dropped",
        "wrong_time",
        "cell_output_missing",
        "truncated",
    ),
    **{title: (cause,) for cause, title in SUBTLE.items()},
}
"""Kinds of mistakes, for a table that is read at a glance."""

_GROUP_OF = {cause: title for title, causes in GROUPS.items() for cause in causes}
assert _GROUP_OF.keys() == (ROWS | SUBTLE).keys()


def group_of(planted: Mutant) -> str:
    """The row of the short table."""
    return _GROUP_OF[planted.causes[0]]


def let_pass(planted: Mutant, seed: int) -> dict[str, bool]:
    """Which of the checks find nothing wrong with a mutant."""
    ours = {name: of_mutant(planted, seed, dtype).verdict != "wrong" for name, dtype in OURS.items()}
    return ours | others.verdicts(planted, seed)


@dataclass(frozen=True)
class Correct:
    """A correct program, to be checked by all."""

    program: str
    seed: int
    dtype: str


def called_wrong(correct: Correct) -> dict[str, bool]:
    """Which of the checks find something wrong with a correct program."""
    alarm, _ = try_right(right(PROGRAMS[correct.program], correct.seed, correct.dtype))
    verdicts = others.verdicts(Mutant(correct.program, "", "", ()), correct.seed, correct.dtype)
    return {"torchbasics check": bool(alarm), **{name: not passed for name, passed in verdicts.items()}}
