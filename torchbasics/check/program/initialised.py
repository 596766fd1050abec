"""What a file's own initialiser makes, with other values: its zeros and 0.01s would hide mistakes."""

import ast
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from torchbasics.check.program.find import returned_names
from torchbasics.check.program.patterns import snake
from torchbasics.check.program.roles import role
from torchbasics.check.program.run import PARAMETERS
from torchbasics.check.program.source import Program
from torchbasics.check.program.tape import leaves
from torchbasics.check.program.wanted import Wanted

INITIALISER = re.compile(r"(^|_)(initiali[sz]e\w*|initiali[sz]ation|init)(_|$)", re.IGNORECASE)


def initialised(
    program: Program, wanted: Wanted, argument: Callable[[str], Any], redrawn: Callable[[str, Any], Any]
) -> dict[str, Any]:
    """Inputs by name, as the first initialiser that gives any makes them. `argument` gives its arguments by name, None
    for what is unknown; `redrawn` other values of the same shape."""
    for name, node in program.functions.items():
        if not INITIALISER.search(snake(name)):
            continue
        everything = [a.arg for a in node.args.args]
        required = everything[: len(everything) - len(node.args.defaults)]
        known = {a: value for a in everything if (value := argument(a)) is not None}
        if not known.keys() >= set(required):
            continue
        for given in (known, {a: known[a] for a in required}):
            try:
                made = program.namespace[name](**given)
            except Exception:
                continue
            named = _named(node, made, wanted, redrawn)
            if named:
                return named
    return {}


def _named(node: ast.FunctionDef, made: Any, wanted: Wanted, redrawn: Callable[[str, Any], Any]) -> dict[str, Any]:
    holder = next((a for a in wanted.arguments if PARAMETERS.fullmatch(a)), None)
    names = returned_names(node)
    if isinstance(made, dict):
        made = {key: _again(key, value, redrawn) for key, value in made.items()}
        holder = next((n for n in names if n in wanted.arguments), None) or holder
        return {holder: made} if holder else {key: value for key, value in made.items() if key in wanted.arguments}
    parts = made if isinstance(made, tuple) else (made,)
    if holder and len(names) == len(parts) and isinstance(made, tuple) and len(wanted.uses[holder].parts) == len(parts):
        return {holder: tuple(redrawn(n or "", v) for n, v in zip(names, parts, strict=True))}
    pairs = zip(names, parts, strict=False)
    return {n: _again(n, v, redrawn) for n, v in pairs if n is not None and n in wanted.arguments}


def _again(name: str, value: Any, redrawn: Callable[[str, Any], Any]) -> Any:
    """Containers are gone into: {"layer1": {"W": W}}, [W1, W2]."""
    if isinstance(value, dict):
        return {key: _again(key if isinstance(key, str) else name, inner, redrawn) for key, inner in value.items()}
    if isinstance(value, list):
        return [_again(name, inner, redrawn) for inner in value]
    if type(value) is tuple:
        return tuple(_again(name, inner, redrawn) for inner in value)
    return redrawn(name, value)


def layer_shapes(made: Mapping[str, Any], first: int) -> dict[int, tuple[int, int]]:
    """The shapes of the weights by layer, from 1; `first` is the number that the first layer has."""
    found: dict[int, tuple[int, int]] = {}
    for path, value in leaves(dict(made)):
        shape = np.shape(value)
        texts = [key for key in path if isinstance(key, str)]
        known = role(texts[-1]) if texts else None
        if known is not None and known.is_weight and len(shape) == 2:
            numbers = [int(match[1]) for text in texts if (match := re.search(r"(\d+)$", text))]
            positions = [key + 1 for key in path if isinstance(key, int)]
            if numbers:
                found[numbers[-1] + 1 - first] = shape
            elif known.is_lone:
                found[positions[-1] if positions else 1] = shape
    return found
