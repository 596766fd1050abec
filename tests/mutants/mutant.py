"""A mistake planted in a program, and the rows of the catalogue that mistakes belong to."""

import re
from dataclasses import dataclass, replace

from .programs import PROGRAMS

ROWS = {
    "one_over_m_missing": "1/m missing",
    "one_over_m_twice": "1/m also in dZ",
    "divided_by_other": "divided by n[l], or by m C",
    "factor_two": "squared error's 2",
    "sign_flipped": "Y - A for A - Y",
    "parenthesis": "parenthesis in -(Y/A - (1-Y)/(1-A))",
    "regularisation_sign": "sign of the regularisation term",
    "operand_sign": "sign of a subtraction's second operand",
    "derivative_missing": "g' left out (hidden layer)",
    "output_derivative_missing": "sigma' left out at the output",
    "extra_output_derivative": "extra sigma' with cross-entropy",
    "derivative_fed_A": "g' fed A instead of Z",
    "derivative_fed_Z": "x(1-x) or 1-x^2 fed Z instead of A",
    "function_for_derivative": "g instead of g'",
    "other_activation": "another layer's activation's derivative",
    "mask_always_true": "ReLU mask from A >= 0 (always true)",
    "transpose_missing": "transpose missing",
    "elementwise_for_dot": "* for dot",
    "A_for_A_prev": "A[l] for A[l-1] in dW",
    "dW_for_W": "dW for W in dA",
    "stale_dA": "stale dA",
    "db_no_axis": "db summed without axis",
    "db_wrong_axis": "db on the wrong axis",
    "db_from_dA": "db from dA, not dZ",
    "db_from_dW": "db as row sum of dW",
    "db_averaged_over_units": "db one scalar averaged over units",
    "keepdims_lost": "keepdims lost",
    "W_updated_first": "W updated before it is used",
    "l2_missing": "L2 missing",
    "l2_coefficient": "lambda for lambda/m; a 2 too many",
    "bias_regularised": "bias regularised",
    "dropout_mask_missing": "dropout mask missing",
    "dropout_scale_missing": "dropout 1/keep_prob missing",
    "assigned_not_accumulated": "= for += (used twice, over time, overlapping windows)",
    "gradients_not_zeroed": "gradients not zeroed",
    "repeated_indices": "repeated indices overwrite",
    "softmax_diagonal_only": "softmax: diagonal only",
    "softmax_outer_missing": "softmax: -p p^T dropped",
    "softmax_twice": "softmax applied twice",
    "softmax_wrong_axis": "softmax: its sum over another axis",
    "softmax_sum_weight": "softmax: the sum of u for that of p u",
    "softmax_diagonal_missing": "softmax: only -p p^T",
    "attention_scale_missing": "attention: 1/sqrt(d) left out or wrong",
    "wrong_operand": "another array in a product: K for Q, dK for dQ",
    "batchnorm_mean_path": "batch norm: path through the mean missing",
    "batchnorm_variance_path": "batch norm: path through the variance missing",
    "batchnorm_gamma_missing": "batch norm: gamma left out",
    "batchnorm_ddof": "batch norm: n for n-1",
    "kernel_flipped": "convolution: kernel flipped wrongly",
    "channels_swapped": "convolution: channel axes not swapped",
    "window_offset": "convolution: padding or stride remainder",
    "pool_ties": "pooling: ties",
    "average_missing": "average pooling: 1/k left out",
    "carry_dropped": "recurrence: carry dropped",
    "truncated": "recurrence: truncated",
    "gate_derivative": "gate: sigma for sigma'",
    "other_gate": "gate: another gate's derivative",
    "cell_factor_missing": "LSTM: o or 1 - tanh(c)^2 left out",
    "cell_output_missing": "LSTM: what a sends to c left out",
    "wrong_time": "recurrence: another step's cache",
}

SUBTLE = {
    "small_entries_zeroed": "dW with every entry under 1e-5 zeroed",
    "scaled_slightly": "dW times 1.0009",
    "one_entry_zeroed": "one entry of dW zeroed",
}


@dataclass(frozen=True)
class Mutant:
    """`program` with each (old, new) of `edits` carried out; every `old` occurs exactly once in it."""

    program: str
    quantity: str
    """The gradient at which the sweep first goes wrong; "dZ2|dW2" where conventions make it a matter of view."""

    cause: str
    """Its row of the catalogue; "a|b" where the two mistakes give the same numbers here."""

    edits: tuple[tuple[str, str], ...]
    sizes: tuple[int, ...] = ()
    """n[0], ..., n[L], where the mistake runs only with some sizes equal; () for drawn ones."""

    @property
    def row(self) -> str:
        """The row of the catalogue."""
        return (ROWS | SUBTLE)[self.causes[0]]

    @property
    def causes(self) -> list[str]:
        """The ids, any of which names the mistake rightly."""
        return self.cause.split("|")

    @property
    def source(self) -> str:
        """The program with the mistake in it."""
        source = PROGRAMS[self.program].source
        for old, new in self.edits:
            assert source.count(old) == 1, f"{self.program}: {source.count(old)} times {old!r}"
            source = source.replace(old, new)
        return source

    @property
    def title(self) -> str:
        """For test ids and tables."""
        return f"{self.program}-{self.quantity}-{self.cause}-{self.edits[0][1].strip()[:60]}"

    def locates(self, name: str) -> bool:
        """Whether a quantity of the report is the planted one; a time step or an index after its name is no matter."""
        return re.sub(r"[\[(@ ].*$", "", name) in self.quantity.split("|")

    def sized(self, *sizes: int) -> "Mutant":
        """The same with fixed sizes."""
        return replace(self, sizes=sizes)


def mutant(program: str, quantity: str, cause: str, old: str, new: str, *more: tuple[str, str]) -> Mutant:
    """One mistake, in one place or, with `more` (old, new), in several."""
    return Mutant(program, quantity, cause, ((old, new), *more))
