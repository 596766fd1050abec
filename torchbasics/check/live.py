"""Functions that live in the caller's process, as a program: read where they were written, tapped, with their names.

What a function means by a name is what its own module and the functions around it mean by it now: the program's
namespace is a copy of the module's, and data in it that the functions use is copied, so that nothing of the caller's is
written to. Functions that they call by name, in the same module or in one beside it, belong to the program too; any
other is called as it is.
"""

import ast
import copy
import dis
import types
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from torchbasics.check.program.source import Program, define, where_it_failed
from torchbasics.check.program.taps import Switch
from torchbasics.check.sources import definition, definition_of_class, inner, methods, wrappers
from torchbasics.check.tracing.stand_in import stand_ins
from torchbasics.errors import InputError

Subject = types.FunctionType | type


@dataclass
class _Part:
    """The functions of one module that take part."""

    globals: dict[str, Any]
    file: str
    nodes: dict[str, ast.stmt] = field(default_factory=dict)
    imports: dict[str, ast.stmt] = field(default_factory=dict)
    meant: dict[str, tuple[Any, str]] = field(default_factory=dict)
    """What a name stands for in them, and in which function."""

    defaults: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return str(self.globals.get("__name__", "?"))

    @property
    def tree(self) -> ast.Module:
        return ast.Module([*self.imports.values(), *reversed(self.nodes.values())], [])

    def mean(self, name: str, value: Any, function: str) -> bool:
        """Take it down; whether it is new. Raises `InputError` where the name already stands for something else."""
        if name not in self.meant:
            self.meant[name] = value, function
            return True
        known, of = self.meant[name]
        if known is not value and not (type(known) in (int, float, str, bool) and known == value):
            raise InputError(
                f"{of} and {function} mean different things by {name} ({_short(known)} and {_short(value)}): rename one"
            )
        return False

    def namespace(self) -> dict[str, Any]:
        """The module's names, but that data which the functions use is a copy."""
        data = {name: value for name, (value, _) in self.meant.items()}
        # One memo: what is the same object under two names stays so.
        memo: dict[int, Any] = {}
        return {**self.globals, **{name: _copy(value, memo) for name, value in (data | self.defaults).items()}}


def live_program(subjects: Sequence[Subject], inputs: dict[str, Any]) -> Program:
    """A program of plain functions and classes of `torch.autograd.Function`.

    Raises `InputError` for what has no source, or cannot be executed apart from where it stands.
    """
    gathered = _Gathered()
    for subject in subjects:
        gathered.add(subject)
    first, *others = gathered.parts
    # What is imported by name replaces what the first module has under that name.
    for subject in subjects:
        part = gathered.part_of(subject)
        if part is not first:
            first.mean(name_of(subject), subject, name_of(subject))
            first.imports[name_of(subject)] = _import_from(part.name, name_of(subject))
    program = Program(Path(first.file), first.tree, first.namespace(), Switch(), inputs=inputs)
    for part in others:
        if part.name in program.siblings or part.name == first.name:
            raise InputError(f"two modules are called {part.name}, of an earlier and a later import: restart Python")
        module = types.ModuleType(part.name)
        vars(module).update({"__file__": part.file, **part.namespace()})
        program.siblings[part.name] = part.tree, module
    try:
        define(program)
    except (Exception, SystemExit) as error:
        raise InputError(
            f"{' and '.join(name_of(s) for s in subjects)} can't be defined apart from where they stand "
            f"({where_it_failed(error, program.path)}): move them and their decorators to the top of a file"
        ) from None
    for subject in subjects:
        made = program.namespace[name_of(subject)]
        if wrappers(made) != wrappers(subject):
            raise InputError(
                f"{name_of(subject)} is wrapped by something that isn't a decorator in its source: give the function "
                f"itself, {name_of(subject)}.__wrapped__, or one whose def has all that it does"
            )
    if len(gathered.files) > 1 and not others:
        program.notes.append("lines count from the beginning of the cell that a function is in")
    return program


def name_of(subject: Subject) -> str:
    """The name in its definition."""
    return subject.__name__ if isinstance(subject, type) else inner(subject).__code__.co_name


class _Gathered:
    """The functions so far, by module."""

    def __init__(self) -> None:
        self.parts: list[_Part] = []
        self.files: set[str] = set()
        self.known: set[int] = set()
        self.folder = Path.cwd()
        self.stand_ins = stand_ins().modules

    def part_of(self, subject: Subject) -> _Part:
        """The part that its module is, made at need."""
        globals, file = _place(subject)
        for part in self.parts:
            if part.globals is globals:
                return part
        if not self.parts and Path(file).is_file():
            self.folder = Path(file).resolve().parent
        self.parts.append(_Part(globals, file))
        return self.parts[-1]

    def add(self, subject: Subject) -> None:
        """The function and all that it calls. Raises `InputError` if its source cannot be had."""
        if id(subject) in self.known:
            return
        self.known.add(id(subject))
        node = definition_of_class(subject) if isinstance(subject, type) else definition(subject)
        part = self.part_of(subject)
        name = name_of(subject)
        part.mean(name, subject, name)
        self.files.add(_place(subject)[1])
        if isinstance(node, ast.FunctionDef) and isinstance(subject, types.FunctionType):
            _simplify(node, subject, part.defaults)
        part.nodes[name] = node
        for function in methods(subject) if isinstance(subject, type) else [inner(subject)]:
            attributes = _attributes(node)
            for used, value in _means(function):
                if part.mean(used, value, name):
                    self._follow(part, used, value, attributes.get(used, set()))

    def _follow(self, part: _Part, name: str, value: Any, attributes: set[str]) -> None:
        """What has to be imported or defined anew, so that it can be tapped and traced."""
        if (origin := self._stand_in(value)) is not None:
            part.imports[name] = _import_from(*origin, name) if origin[1] else _import(origin[0], name)
        elif isinstance(value, types.FunctionType):
            if value.__name__ == name and not hasattr(value, "__wrapped__") and self._is_beside(part, value):
                with suppress(InputError):
                    # What can't be read is called as it is.
                    definition(value)
                    self.add(value)
                    other = self.part_of(value)
                    if other is not part:
                        part.imports[name] = _import_from(other.name, name)
        elif isinstance(value, types.ModuleType) and "." not in value.__name__ and self._lies_beside(value):
            for attribute in sorted(attributes):
                helper = vars(value).get(attribute)
                if isinstance(helper, types.FunctionType) and helper.__globals__ is vars(value):
                    with suppress(InputError):
                        definition(helper)
                        self.add(helper)
                        part.imports[name] = _import(value.__name__, name)

    def _stand_in(self, value: Any) -> tuple[str, str] | None:
        """(module, name) of what is traced only under a stand-in; no name for the module itself."""
        for module, stand_in in self.stand_ins.items():
            real = stand_in._module  # type: ignore[attr-defined]
            if value is real:
                return module, ""
            if callable(value) or type(value) in (type(np.r_), type(np.c_)):
                for name in vars(stand_in):
                    if getattr(real, name, None) is value:
                        return module, name
        return None

    def _is_beside(self, part: _Part, function: types.FunctionType) -> bool:
        if function.__globals__ is part.globals:
            return True
        return Path(function.__code__.co_filename).resolve().parent == self.folder

    def _lies_beside(self, module: types.ModuleType) -> bool:
        file = getattr(module, "__file__", None)
        return file is not None and Path(file).resolve().parent == self.folder


def _place(subject: Subject) -> tuple[dict[str, Any], str]:
    function = methods(subject)[0] if isinstance(subject, type) else inner(subject)
    return function.__globals__, function.__code__.co_filename


def _simplify(node: ast.FunctionDef, function: types.FunctionType, defaults: dict[str, Any]) -> None:
    """Without annotations, which need names that it does not compute with; with its defaults as they are now; and
    without decorators that gave back the function itself."""
    function_ = inner(function)
    for part in ast.walk(node):
        if isinstance(part, ast.arg):
            part.annotation = None
        if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef):
            part.returns = None
        if isinstance(part, ast.Nonlocal) and set(part.names) & set(function_.__code__.co_freevars):
            raise InputError(
                f"{node.name} assigns to {', '.join(part.names)} of the function around it (nonlocal): "
                "let it take that as an argument and return it"
            )
    if function_ is function:
        node.decorator_list = []

    def as_it_is(position: int, value: Any) -> ast.expr:
        name = f"__{node.name}_default_{position}__"
        defaults[name] = value
        return ast.copy_location(ast.Name(name, ast.Load()), node)

    node.args.defaults = [as_it_is(n, value) for n, value in enumerate(function_.__defaults__ or ())]
    given = function_.__kwdefaults__ or {}
    node.args.kw_defaults = [
        as_it_is(-n, given[a.arg]) if a.arg in given else None for n, a in enumerate(node.args.kwonlyargs, 1)
    ]


def _means(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    """The names that it uses and doesn't bind itself, with what they stand for."""
    code = function.__code__
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        # A class's own cell is made again with the class; an empty one has no value yet.
        if name != "__class__":
            with suppress(ValueError):
                yield name, cell.cell_contents
    for name in dict.fromkeys(_globals(code)):
        if name in function.__globals__:
            yield name, function.__globals__[name]


def _globals(code: types.CodeType) -> Iterator[str]:
    for instruction in dis.get_instructions(code):
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            yield str(instruction.argval)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _globals(constant)


def _attributes(node: ast.stmt) -> dict[str, set[str]]:
    """np -> {"dot", "zeros"}: what is asked of a name."""
    found: dict[str, set[str]] = {}
    for part in ast.walk(node):
        if isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name):
            found.setdefault(part.value.id, set()).add(part.attr)
    return found


def _import(module: str, name: str) -> ast.stmt:
    return ast.parse(f"import {module} as {name}").body[0]


def _import_from(module: str, attribute: str, name: str = "") -> ast.stmt:
    return ast.parse(f"from {module} import {attribute} as {name or attribute}").body[0]


def _copy(value: Any, memo: dict[int, Any]) -> Any:
    if isinstance(value, types.ModuleType | type) or callable(value):
        return value
    try:
        return copy.deepcopy(value, memo)
    except Exception:
        # An open file, a lock: nothing that a derivation writes to.
        return value


def _short(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 30 else f"{text[:27]}..."
