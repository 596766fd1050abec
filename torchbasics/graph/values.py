"""What the variables of an expression are: "a=5,b=3,c=2" to float64 tensors.

A value is a number, a list of lists as in `W=[[1, 2], [3, 4]]`, or `randn(2, 3)`, standard normal by the seed.
"""

import ast
import math
import re
import unicodedata

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
        # As Python has the names of an expression.
        name = unicodedata.normalize("NFKC", name)
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
        shape = [_size(size) for size in (match[1] or "").split(",") if size.strip()]
        if 0 in shape or math.prod(shape) > LARGEST:
            raise InputError(
                f"--at {name}={text[:60]}: expected sizes of 1 or more, and at most {LARGEST:,} numbers in all"
            )
        return torch.randn(shape, generator=generator, dtype=torch.float64)
    try:
        # Written out by the user: numbers and brackets, of which nothing is executed.
        literal = ast.literal_eval(text)
        value = torch.tensor(literal, dtype=torch.float64)
    except (ValueError, SyntaxError, TypeError, RuntimeError, MemoryError, OverflowError):
        literal = None
    if literal is None or not _only_numbers(literal):
        raise InputError(f"--at {name}={text[:60]}: expected a number, rows such as [[1,2],[3,4]], or randn(2,3)")
    if not value.numel() or not value.isfinite().all():
        raise InputError(f"--at {name}={text[:60]}: expected finite numbers, one or more")
    return value


def _size(text: str) -> int:
    """A size of a few digits as it is, and a longer one as too large."""
    return int(text) if len(text.strip()) < 10 else LARGEST + 1


def _only_numbers(literal: object) -> bool:
    if isinstance(literal, list | tuple):
        return all(map(_only_numbers, literal))
    return isinstance(literal, int | float) and not isinstance(literal, bool)
