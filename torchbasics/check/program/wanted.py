"""What a program's source tells about its inputs: the names it asks for, the keys it reads, the shapes it unpacks."""

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass

from torchbasics.check.program.find import Plan, reachable
from torchbasics.check.program.run import PARAMETERS
from torchbasics.check.program.source import Program


@dataclass(frozen=True)
class Wanted:
    """What the source tells about the inputs."""

    arguments: tuple[str, ...]
    """The names that must be bound, in order."""

    keys: Mapping[str, tuple[str, ...]]
    """parameters -> ("W1", "b1", ...): constant keys that are read from an argument."""

    stems: Mapping[str, tuple[str, ...]]
    """parameters -> ("W", "b"): the beginnings of keys that are made with a layer's number."""

    dimensions: Mapping[str, tuple[str, ...]]
    """A_prev -> ("m", "n_H_prev", ...): names that a shape is unpacked into."""


def wanted(program: Program, plan: Plan) -> Wanted:
    """What the functions of the plan, and what they call, say about their inputs."""
    functions = program.functions
    results = {"A", "cache", "caches", "grads", "cost", "J"}
    arguments: dict[str, None] = {}
    for position, name in enumerate(plan.called):
        node = functions[name].args
        optional = {a.arg for a in node.args[len(node.args) - len(node.defaults) :]}
        required = [a for a, default in zip(node.kwonlyargs, node.kw_defaults, strict=True) if default is None]
        for argument in (a.arg for a in (*node.posonlyargs, *node.args, *required)):
            if argument not in optional and (position == 0 or argument not in results):
                arguments[argument] = None
    keys: dict[str, dict[str, None]] = {}
    stems: dict[str, dict[str, None]] = {}
    dimensions: dict[str, tuple[str, ...]] = {}
    for function in reachable(program, plan.called):
        for part in ast.walk(function):
            match part:
                case ast.Subscript(value=ast.Name(id=holder), slice=ast.Constant(value=str(key)), ctx=ast.Load()):
                    keys.setdefault(holder, {})[key] = None
                case ast.Subscript(value=ast.Name(id=holder), slice=ast.BinOp(left=ast.Constant(value=str(stem)))):
                    stems.setdefault(holder, {})[stem] = None
                case ast.Subscript(
                    value=ast.Name(id=holder), slice=ast.JoinedStr(values=[ast.Constant(value=str(stem)), _])
                ):
                    stems.setdefault(holder, {})[stem] = None
                case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Attribute(value=owner, attr="shape")):
                    unpacked = tuple(part.id for part in names if isinstance(part, ast.Name))
                    if (of := _said_name(owner)) and len(unpacked) == len(names):
                        dimensions.setdefault(of, unpacked)
    return Wanted(
        tuple(arguments),
        {holder: tuple(found) for holder, found in keys.items()},
        {holder: tuple(found) for holder, found in stems.items()},
        dimensions,
    )


def _said_name(node: ast.expr) -> str | None:
    """X, or the key of parameters["W"]."""
    match node:
        case ast.Name(id=name) | ast.Subscript(slice=ast.Constant(value=str(name))):
            return name
    return None


def depth(wanted: Wanted) -> int:
    """How many layers the names speak of; 3 where the program takes any number."""
    names = [*wanted.arguments, *(key for keys in wanted.keys.values() for key in keys)]
    numbers = [int(match[1]) for name in names if (match := re.fullmatch(r"[Ww]_?(\d+)", name))]
    if numbers:
        return max(numbers)
    return 3 if any(PARAMETERS.fullmatch(holder) for holder in wanted.stems) else 1
