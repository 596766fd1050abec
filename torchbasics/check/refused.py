"""Calls of the check that can't be used, each refused in one line: what came, what was expected, what to do."""

import functools
import types
from collections.abc import Mapping
from typing import Any, NoReturn

import torch
from torch import nn

from torchbasics.check.options import Options
from torchbasics.errors import InputError, nearest

EXPECTED = (
    "expected functions (forward, backward, inputs), a torch.autograd.Function (with inputs), a Network (with X and Y),"
    " a Layer (with A_prev) or the path of a file"
)


def file_options(options: dict[str, Any]) -> Options:
    """The options of a file; raises `InputError` for values that can't be theirs."""
    seed_of(options)
    for name in ("forward", "cost", "backward"):
        if not isinstance(options.get(name, ""), str):
            raise InputError(f"{name} is {short(repr(options[name]))}; of a file, expected a function's name")
    if options.get("dtype", "float64") not in ("float64", "float32"):
        raise InputError(f"dtype is {options['dtype']!r}; expected 'float64' or 'float32'")
    try:
        if options.get("layers") is not None:
            options["layers"] = tuple(int(n) for n in options["layers"])
        options["shape"] = {str(k): tuple(int(n) for n in v) for k, v in dict(options.get("shape", {})).items()}
    except (TypeError, ValueError):
        raise InputError("layers is a tuple of sizes, (5, 4, 1), and shape one per name, {'W1': (4, 5)}") from None
    return Options(**options)


def only(options: Mapping[str, Any], subject: str, *known: str) -> None:
    """Raise `InputError` for an option that isn't among those that are known."""
    for name in options:
        if name not in known:
            raise InputError(f"check has no option {name!r} for {subject}; {nearest(name, known)}")


def seed_of(options: Mapping[str, Any]) -> int:
    """The seed; raises `InputError` unless NumPy and torch both take it."""
    seed = options.get("seed", 0)
    if type(seed) is not int or not 0 <= seed < 2**32:
        raise InputError(f"seed is {short(repr(seed))}; expected a whole number from 0 to 2**32 - 1")
    return seed


def refuse(subject: Any) -> NoReturn:
    """Say what came, and what to give instead."""
    said = short(repr(subject))
    if isinstance(subject, type):
        if issubclass(subject, nn.Module):
            raise InputError(
                f"check was given the class {subject.__name__}; expected an instance, {subject.__name__}(...)"
            )
        raise InputError(f"check was given the class {subject.__name__}; {EXPECTED}")
    if isinstance(subject, nn.Module):
        raise InputError(
            f"check was given a {type(subject).__name__}, of which autograd does the backward: there is no derivation "
            f"to judge; {EXPECTED}"
        )
    if isinstance(subject, functools.partial):
        name = getattr(subject.func, "__name__", "a function")
        raise InputError(
            f"check was given a functools.partial of {name}; expected a function: write a def in the place of {name} "
            "that has those arguments fixed"
        )
    owner = getattr(subject, "__self__", None)
    if isinstance(owner, type) and issubclass(owner, torch.autograd.Function):
        raise InputError(f"check was given {owner.__name__}.apply; give the class, {owner.__name__}")
    if isinstance(subject, types.MethodType):
        raise InputError(
            f"check was given {subject.__qualname__}, bound to its object; expected a function: write a def that takes "
            "the object's arrays as arguments"
        )
    if callable(subject):
        wrapped = "; what it was made of is its __wrapped__" if hasattr(subject, "__wrapped__") else ""
        raise InputError(f"check was given {said}; expected a plain function, defined with def in Python{wrapped}")
    raise InputError(f"check was given {said}; {EXPECTED}")


def is_compiled(function: Any) -> bool:
    """Whether `torch.compile` has made it: it looks like a function, and its source isn't what runs."""
    return hasattr(function, "_torchdynamo_orig_callable")


def kinds(given: tuple[Any, ...]) -> str:
    """What the values are, in words."""
    return ", ".join(type(value).__name__ for value in given) or "nothing"


def short(text: str) -> str:
    """The text on one line, cut where it is too long for a message."""
    text = " ".join(text.split())
    return text if len(text) <= 60 else f"{text[:57]}..."
