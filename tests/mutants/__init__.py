"""Mistakes planted in the programs of tests/programs: what `torchbasics check` is judged by.

`python -m tests.mutants` checks every one of them and prints the table.
"""

from . import attention, gates, helpers, nets, regularised, windows
from .equivalent import EQUIVALENT, KINKS
from .mutant import ROWS, SUBTLE, Mutant
from .pairs import Pair, pairs
from .programs import PROGRAMS, Program
from .subtle import subtle

__all__ = [
    "EQUIVALENT",
    "KINKS",
    "MUTANTS",
    "PROGRAMS",
    "ROWS",
    "SUBTLE",
    "Mutant",
    "Pair",
    "Program",
    "pairs",
    "subtle",
]

MUTANTS: list[Mutant] = [
    planted
    for family in (
        nets.templates,
        nets.others,
        helpers.l_layer,
        helpers.regression,
        regularised.l2,
        regularised.dropout,
        regularised.softmax,
        regularised.batchnorm,
        windows.convolution,
        windows.pooling,
        windows.recurrence,
        windows.embedding,
        attention.attention,
        gates.lstm,
    )
    for planted in family()
]
