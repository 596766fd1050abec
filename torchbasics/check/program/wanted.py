"""What a program's source tells about its inputs: the names, how they are taken apart, the shapes that are unpacked."""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from torchbasics.check.program.find import Plan, is_gradient, reachable
from torchbasics.check.program.held import Use, is_list, read_uses
from torchbasics.check.program.roles import role
from torchbasics.check.program.source import Program

NEUTRAL = re.compile(r"reg\w*|lamb\w*|lmbda|keep_prob|weight_decay")


@dataclass(frozen=True)
class Wanted:
    """What the source tells about the inputs."""

    arguments: tuple[str, ...]
    """The names that must be bound, in order."""

    uses: Mapping[str, Use]
    """How each argument is taken apart."""

    keys: frozenset[str]
    """Every constant key that is read."""

    dimensions: Mapping[str, tuple[str, ...]]
    """A_prev -> ("m", "n_H_prev", ...): names that a shape is unpacked into."""

    adds_ones: bool
    """Whether it puts a row or column of ones beside something."""

    @property
    def names(self) -> list[str]:
        """The arguments and everything that has a name inside one."""
        inside = [name for argument in self.arguments if argument in self.uses for name in self.uses[argument].names()]
        return [*self.arguments, *inside]

    def has_lists(self) -> bool:
        """Whether weights come as a list with one for every layer."""
        return any(
            is_list(name, use) and use.element is not None and (use.element.is_array or use.element.is_container)
            for name, use in self._everything()
        )

    def _everything(self) -> Iterator[tuple[str, Use]]:
        stack = [(name, self.uses[name]) for name in self.arguments if name in self.uses]
        while stack:
            name, use = stack.pop()
            yield name, use
            stack += use.keys.items()


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
            # What the backward sweep is given as a gradient is no input: it depends on what the forward sweep returns.
            given = position > 0 and (argument in results or is_gradient(argument))
            has_to_be = argument not in optional or _neutral(functions, plan.called, argument)
            if has_to_be and not given:
                arguments[argument] = None
    keys: set[str] = set()
    dimensions: dict[str, tuple[str, ...]] = {}
    joined: set[str] = set()
    for function in reachable(program, plan.called):
        for part in ast.walk(function):
            match part:
                case ast.Subscript(value=ast.Name(), slice=ast.Constant(value=str(key)), ctx=ast.Load()):
                    keys.add(key)
                case ast.Attribute(attr=attr) if attr in (
                    "ones",
                    "vstack",
                    "hstack",
                    "c_",
                    "r_",
                    "concatenate",
                    "insert",
                ):
                    joined.add(attr)
                case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Attribute(value=owner, attr="shape")):
                    unpacked = tuple(part.id for part in names if isinstance(part, ast.Name))
                    if (of := _said_name(owner)) and len(unpacked) == len(names):
                        dimensions.setdefault(of, unpacked)
    return Wanted(
        tuple(arguments),
        read_uses(functions, plan.called),
        frozenset(keys),
        dimensions,
        "insert" in joined or ("ones" in joined and len(joined) > 1),
    )


def _neutral(functions: Mapping[str, ast.FunctionDef], called: tuple[str, ...], argument: str) -> bool:
    """Whether all that compute with it, two functions or the only one, leave it at what switches it off: at reg = 0 or
    keep_prob = 1 no mistake in its term shows."""
    if not NEUTRAL.fullmatch(argument):
        return False
    defaults = []
    for node in (functions[name].args for name in called):
        names = [a.arg for a in node.args[len(node.args) - len(node.defaults) :]]
        defaults += [default for name, default in zip(names, node.defaults, strict=True) if name == argument]
    values = [default.value for default in defaults if isinstance(default, ast.Constant)]
    return len(values) >= min(2, len(called)) and all(value in (0, 1) for value in values)


def _said_name(node: ast.expr) -> str | None:
    """X, or the key of parameters["W"]."""
    match node:
        case ast.Name(id=name) | ast.Subscript(slice=ast.Constant(value=str(name))):
            return name
    return None


def depth(wanted: Wanted) -> int:
    """How many layers the names speak of; 3 where the program takes any number."""
    roles = [known for name in wanted.names if (known := role(name)) is not None]
    numbers = [known.number for known in roles if known.is_weight and known.number is not None]
    if numbers:
        return max(numbers) + (min(numbers) == 0)
    if any(known.word == "hidden" for known in roles):
        return 2
    stems = any(use.stems for use in wanted.uses.values())
    return 3 if stems or wanted.has_lists() else 1
