"""What the variables of an expression are: "a=5,b=3,c=2" to float64 tensors.

A value is a number, a list of lists as in `W=[[1, 2], [3, 4]]`, or `randn(2, 3)`, standard normal by the seed.
"""

import ast
import re

import torch
from torch import Tensor

from torchbasics.errors import InputError

EXPECTED = "expected NAME=VALUE pairs, as in a=5,W=[[1,2],[3,4]],X=randn(2,3)"
_RANDN = re.compile(r"randn\(\s*(\d+(?:\s*,\s*\d+)*)?\s*,?\s*\)")
# Of an array that is drawn: what is looked at by eye, or at most a course's picture set.
LARGEST = 10**7


def read_values(text: str, seed: int) -> dict[str, Tensor]:
    """The values by name; random ones are drawn in the order in which they stand.

    Raises `InputError` for what is no value, and for a name that stands twice.
    """
    generator = torch.Generator().manual_seed(seed)
    values: dict[str, Tensor] = {}
    for part in _parts(text):
        name, equals, value = (word.strip() for word in part.partition("="))
        if not equals or not name.isidentifier():
            raise InputError(f"--at {part.strip()!r}: {EXPECTED}")
        if name in values:
            raise InputError(f"--at {text}: {name} has two values, expected one")
        values[name] = _value(name, value, generator)
    return values


def _parts(text: str) -> list[str]:
    """The text split at the commas that stand in no bracket."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter in "[(") - (letter in "])")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part for part in parts if part.strip()]


def _value(name: str, text: str, generator: torch.Generator) -> Tensor:
    if match := _RANDN.fullmatch(text):
        shape = [int(size) for size in (match[1] or "").split(",") if size.strip()]
        if 0 in shape or torch.Size(shape).numel() > LARGEST:
            raise InputError(f"--at {name}={text}: expected sizes of 1 or more, and at most {LARGEST:,} numbers in all")
        return torch.randn(shape, generator=generator, dtype=torch.float64)
    try:
        # Written out by the user: numbers and brackets, of which nothing is executed.
        read = torch.tensor(ast.literal_eval(text))
        value = torch.tensor(ast.literal_eval(text), dtype=torch.float64)
        if read.dtype == torch.bool or read.is_complex():
            raise TypeError
    except (ValueError, SyntaxError, TypeError, RuntimeError, MemoryError, OverflowError):
        raise InputError(
            f"--at {name}={text[:60]}: expected a number, rows such as [[1,2],[3,4]], or randn(2,3)"
        ) from None
    if not value.numel() or not value.isfinite().all():
        raise InputError(f"--at {name}={text[:60]}: expected finite numbers, one or more")
    return value
