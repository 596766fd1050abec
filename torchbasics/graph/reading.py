"""A `torch.fx` trace to the operations of `torchbasics.graph.operations`, one kind of node however it was written.

`a + b`, `torch.add(a, b)` and `a.add(b)` are one operation, as are `x.T`, `torch.t(x)` and `x.transpose(0, 1)`.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, fx

from torchbasics.errors import InputError
from torchbasics.graph.operations import OPERATIONS, Operation

# What torch and Python call our operations, besides our own names.
_ALIASES = {
    "truediv": "div",
    "true_divide": "div",
    "divide": "div",
    "subtract": "sub",
    "multiply": "mul",
    "negative": "neg",
    "mm": "matmul",
    "mv": "matmul",
    "bmm": "matmul",
    "dot": "matmul",
    "amax": "max",
    "view": "reshape",
    "permute": "transpose",
    "t": "transpose",
    "T": "transpose",
    "mT": "transpose",
    "swapaxes": "transpose",
}
_ELEMENTWISE = {name for name, operation in OPERATIONS.items() if operation.slopes is not None}
_REDUCTIONS = ("sum", "mean", "max")


@dataclass
class Step:
    """One node: a leaf without an operation, or an operation on earlier nodes and numbers."""

    name: str
    operation: Operation | None = None
    arguments: "tuple[Step | float, ...]" = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    # Of a leaf that the function holds itself.
    constant: Tensor | None = None


def read(graph: fx.Graph, names: Mapping[fx.Node, str], attribute: Callable[[str], Any]) -> list[Step]:
    """The steps in order, the last of them J; only those that J depends on.

    `attribute` finds what a function holds itself. A value without a name gets the next of u, v, w, ..., and one whose
    name is taken a prime. Raises `InputError` for an operation that isn't one of ours.
    """
    (output,) = (node for node in graph.nodes if node.op == "output")
    result = output.args[0]
    if not isinstance(result, fx.Node):
        raise InputError(f"the function returns {_shown(result)}, expected one number J that depends on its arguments")
    wanted = _ancestors(result)
    namer = _Namer(names.values(), "J" if result not in names else None)
    steps: dict[fx.Node, Step] = {}
    for node in graph.nodes:
        if node not in wanted:
            continue
        if node.op in ("call_function", "call_method"):
            read_as = _operation(node)
            if read_as is None:
                # Such as .values of what torch.max gives.
                steps[node] = steps[node.args[0]]
                continue
            name, arguments, settings = read_as
            values = tuple(steps[value] if isinstance(value, fx.Node) else float(value) for value in arguments)
            own_name = "J" if node is result and node not in names else names.get(node)
            steps[node] = Step(namer.name(own_name), OPERATIONS[name], values, settings)
        elif node.op == "placeholder":
            steps[node] = Step(namer.name(names.get(node, str(node.target))))
        else:
            steps[node] = Step(namer.name("constant"), constant=attribute(str(node.target)))
    return list({id(step): step for step in steps.values()}.values())


def _ancestors(result: fx.Node) -> set[fx.Node]:
    found, waiting = {result}, [result]
    while waiting:
        for parent in waiting.pop().all_input_nodes:
            if parent not in found:
                found.add(parent)
                waiting.append(parent)
    return found


class _Namer:
    """Gives every value a name of its own."""

    def __init__(self, own: Any, last: str | None) -> None:
        # Names that the text has itself are not given to other values, nor w where it has w1 or W.
        self.reserved = {last, *(name.rstrip("0123456789'").lower() for name in own)}
        self.given: set[str] = set()

    def name(self, own: str | None) -> str:
        if own is None:
            letters = "uvwstpqrghkdefij"
            fresh = (
                f"{letter}{k or ''}" for k in itertools.count() for letter in letters if letter not in self.reserved
            )
            own = next(name for name in fresh if name not in self.given)
        while own in self.given:
            own += "'"
        self.given.add(own)
        return own


def _operation(node: fx.Node) -> tuple[str, Sequence[Any], dict[str, Any]] | None:
    """Our operation's name, its arguments and settings; None for what only hands a value on."""
    target = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", str(node.target))
    arguments, words = list(node.args), dict(node.kwargs)
    if "input" in words:
        arguments.insert(0, words.pop("input"))
    if "other" in words:
        arguments.append(words.pop("other"))
    if target == "getattr" and arguments[1] in ("T", "mT"):
        target, arguments = str(arguments[1]), arguments[:1]
    elif _takes_first(node, target, arguments):
        return None
    if target == "square":
        target, arguments = "pow", [*arguments, 2]
    name = _ALIASES.get(target, target)
    if name == "max" and len(arguments) == 2 and isinstance(arguments[1], fx.Node):
        name = "maximum"
    if words.get("inplace") is False:
        words.pop("inplace")
    if name not in OPERATIONS:
        raise InputError(f"{_shown(node)} is no operation of these graphs, which have {', '.join(OPERATIONS)}")
    if name in _ELEMENTWISE or name == "matmul":
        count = 1 if OPERATIONS[name].name in _UNARY else 2
        if words or len(arguments) != count or not all(isinstance(a, fx.Node | int | float) for a in arguments):
            raise InputError(f"{_shown(node)}: expected {count} values and nothing else")
        return name, arguments, {}
    settings: dict[str, Any] = {}
    if name in _REDUCTIONS:
        for key, aliases in (("axis", ("dim", "axis")), ("keepdims", ("keepdim", "keepdims"))):
            for alias in aliases:
                if alias in words:
                    settings[key] = words.pop(alias)
        settings |= dict(zip(("axis", "keepdims"), arguments[1:], strict=False))
    elif name == "reshape":
        shape = arguments[1:] if len(arguments) > 1 else [words.pop("shape", None)]
        settings["shape"] = _several(shape)
    else:
        settings |= _order(target, arguments[1:], words)
    if words or not isinstance(arguments[0], fx.Node):
        raise InputError(f"{_shown(node)}: {', '.join(words) or 'a number'} is not expected here")
    return (
        name,
        arguments[:1],
        {key: _tuple(value) for key, value in settings.items() if value is not None and value is not False},
    )


_UNARY = {"neg", "exp", "log", "sqrt", "sigmoid", "tanh", "relu"}


def _takes_first(node: fx.Node, target: str, arguments: list[Any]) -> bool:
    """Whether this is x.values, or [0], of what torch.max(x, dim) gives beside the place of the largest."""
    if target not in ("getattr", "getitem") or arguments[1] not in ("values", 0):
        return False
    source = arguments[0]
    called = source.target if isinstance(source.target, str) else getattr(source.target, "__name__", "")
    return called == "max" and (len(source.args) > 1 or "dim" in source.kwargs)


def _order(target: str, arguments: list[Any], words: dict[str, Any]) -> dict[str, Any]:
    if target in ("T", "t"):
        return {}
    if target == "mT":
        return {"swap": (-2, -1)}
    if target in ("transpose", "swapaxes"):
        pair = [*arguments, *(words.pop(key) for key in ("dim0", "axis0", "dim1", "axis1") if key in words)]
        if len(pair) != 2 or not all(isinstance(axis, int) for axis in pair):
            raise InputError(f"{target}: expected two axes, as in x.transpose(0, 1)")
        return {"swap": tuple(pair)}
    return {"axes": _several(arguments or [words.pop("dims", None)])}


def _several(values: Sequence[Any]) -> tuple[int, ...]:
    """(2, 3) of reshape(2, 3) and of reshape((2, 3)) alike."""
    return _tuple(values[0]) if len(values) == 1 and isinstance(values[0], list | tuple) else tuple(values)


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list | torch.Size) else value


def _shown(value: Any) -> str:
    if not isinstance(value, fx.Node):
        return repr(value)
    name = value.target if isinstance(value.target, str) else getattr(value.target, "__name__", str(value.target))
    return f"{name}({', '.join(str(argument) for argument in value.args)})"
