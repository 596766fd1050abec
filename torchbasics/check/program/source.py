"""A user's file as it stands: read, tapped (see `taps`) and executed; a notebook's definitions likewise."""

import ast
import builtins
import functools
import importlib.util
import json
import re
import sys
import tokenize
import traceback
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torchbasics.check.program.taps import Switch, tapped
from torchbasics.errors import InputError

PYTHON_CELLS = re.compile(r"%%(time|timeit|capture|prun|memit)\b")
"""Cell magics below which Python stands."""


@dataclass
class Program:
    """A user's file, loaded: its functions, ready to run under a tape."""

    path: Path
    tree: ast.Module
    """As written."""

    namespace: dict[str, Any]
    switch: Switch
    notes: list[str] = field(default_factory=list)

    siblings: dict[str, tuple[ast.Module, types.ModuleType]] = field(default_factory=dict)
    """Modules from beside the file that it imports, tapped as well, by name."""

    inputs: dict[str, Any] | None = None
    """What the functions are called with, where the caller said it rather than the file."""

    @property
    def functions(self) -> dict[str, ast.FunctionDef]:
        """The functions at the top of the file, as written, and those of its siblings that it imports by name; a
        `torch.autograd.Function`'s as "Name.forward" and "Name.backward"."""
        found = {
            node.name: node
            for tree, module in self.siblings.values()
            for node in tree.body
            if isinstance(node, ast.FunctionDef) and self.namespace.get(node.name) is vars(module).get(node.name)
        }
        found |= {node.name: node for node in self.tree.body if isinstance(node, ast.FunctionDef)}
        for node in self.tree.body:
            if isinstance(node, ast.ClassDef) and any(ast.unparse(base).endswith("Function") for base in node.bases):
                found |= {f"{node.name}.{part.name}": part for part in node.body if isinstance(part, ast.FunctionDef)}
        return found

    def with_stand_ins(self, modules: Mapping[str, object], replaced: Mapping[str, object]) -> dict[str, Any]:
        """The functions once more, in a namespace where `modules` are found in place of the real ones and builtins are
        `replaced`; constants and everything else keep the values that they have."""
        return self._again(self.tree, self.namespace, modules, replaced, {})

    def _again(
        self,
        tree: ast.Module,
        original: Mapping[str, Any],
        modules: Mapping[str, object],
        replaced: Mapping[str, object],
        done: dict[str, types.ModuleType],
    ) -> dict[str, Any]:
        namespace = dict(original)

        def find(name: str, level: int) -> object | None:
            if name in modules:
                return modules[name]
            if name in self.siblings and name not in done:
                sibling_tree, sibling = self.siblings[name]
                done[name] = types.ModuleType(name)
                vars(done[name]).update(self._again(sibling_tree, vars(sibling), modules, replaced, done))
            return done.get(name)

        namespace["__builtins__"] = {**vars(builtins), **replaced, "__import__": _importer(find)}
        execute_definitions(tree, original["__file__"], namespace)
        return namespace


def load(path: Path) -> Program:
    """Read, tap and execute a .py file, or the definitions of an .ipynb notebook.

    Raises `InputError` for what cannot be read or parsed, or fails when it is executed.
    """
    notes: list[str] = []
    text = _text(path, notes)
    try:
        tree = ast.parse(text, filename=str(path))
    except (SyntaxError, ValueError) as error:
        at = f"line {error.lineno}: " if isinstance(error, SyntaxError) else ""
        raise InputError(f"{path}: not Python: {at}{getattr(error, 'msg', error)}") from None

    program = Program(path, tree, {}, Switch(), notes)
    program.namespace.update(
        {"__name__": path.stem, "__file__": str(path), "__tap__": program.switch, "__builtins__": _builtins(program)}
    )
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        if path.suffix == ".ipynb":
            execute_definitions(tree, str(path), program.namespace)
        else:
            _execute(program)
    except SystemExit as error:
        raise InputError(
            f"{path}: it calls sys.exit({error.code!r}) when it is read; put that under if __name__ == '__main__':"
        ) from None
    except Exception as error:
        raise InputError(f"{path}: {where_it_failed(error, path)}; it has to run without that") from None
    return program


def _execute(program: Program) -> None:
    """The whole file; without what it imports for its plots, its definitions alone."""
    try:
        exec(compile(tapped(program.tree), str(program.path), "exec"), program.namespace)
    except ModuleNotFoundError as error:
        line = where_it_failed(error, program.path)
        execute_definitions(program.tree, str(program.path), program.namespace)
        program.notes.append(f"only its definitions are executed, not the rest of the file: {line}")


def define(program: Program) -> None:
    """Execute the tapped definitions of a program that is made of parts rather than read from a file."""
    program.namespace.update(
        {"__file__": str(program.path), "__tap__": program.switch, "__builtins__": _builtins(program)}
    )
    # A module may import from those that were found after it.
    for tree, module in reversed(program.siblings.values()):
        vars(module).update({"__tap__": program.switch, "__builtins__": program.namespace["__builtins__"]})
        execute_definitions(tree, vars(module)["__file__"], vars(module))
    execute_definitions(program.tree, str(program.path), program.namespace)


def where_it_failed(error: BaseException, path: Path) -> str:
    """The exception in one line, with the last line of the file that it went through."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    first = str(error).strip().splitlines()
    return (f"line {lines[-1]}: " if lines else "") + f"{type(error).__name__}: {first[0] if first else '(no message)'}"


def execute_definitions(tree: ast.Module, filename: str, namespace: dict[str, Any]) -> None:
    """Execute what only defines: imports, functions, classes, and names for constants."""
    for node in tree.body:
        optional = isinstance(node, ast.Import | ast.ImportFrom)
        if optional or isinstance(node, ast.FunctionDef | ast.ClassDef) or _is_constant(node):
            try:
                exec(_compiled(node, filename), namespace)
            except ImportError:
                # A notebook imports for its plots what its functions do without; if they don't, it shows when they run.
                if not optional:
                    raise


@functools.lru_cache(maxsize=1024)
def _compiled(node: ast.stmt, filename: str) -> types.CodeType:
    return compile(tapped(ast.Module([node], [])), filename, "exec")


def _is_constant(node: ast.stmt) -> bool:
    if not isinstance(node, ast.Assign):
        return False
    try:
        ast.literal_eval(node.value)
    except (ValueError, TypeError):
        return False
    return True


def _text(path: Path, notes: list[str]) -> str:
    try:
        if path.suffix == ".ipynb":
            return _notebook(path, path.read_text(encoding="utf-8-sig"), notes)
        with tokenize.open(path) as file:
            return file.read()
    except (UnicodeDecodeError, SyntaxError) as error:
        raise InputError(
            f"{path}: not text in UTF-8, or the encoding that it names ({error}); save it as UTF-8"
        ) from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; expected a .py or .ipynb file") from None


def _notebook(path: Path, text: str, notes: list[str]) -> str:
    """The code cells as one module; lines that belong to the notebook alone (%, !, ?) are blanked."""
    try:
        cells = json.loads(text)["cells"]
        sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}: not a notebook ({type(error).__name__}: {error}); expected nbformat 4 JSON"
        ) from None
    lines: list[str] = []
    starts: list[str] = []
    for number, source in enumerate(sources, 1):
        cell = [
            "" if line.lstrip().startswith(("%", "!", "?")) or line.rstrip().endswith("?") else line
            for line in source.splitlines()
        ]
        if source.lstrip().startswith("%%") and not PYTHON_CELLS.match(source.lstrip()):
            notes.append(f"code cell {number} is left out: it starts with {source.split()[0]}")
            cell = [""] * len(cell)
        try:
            ast.parse("\n".join(cell))
        except SyntaxError as error:
            notes.append(f"code cell {number} is left out: it is not Python (line {error.lineno}: {error.msg})")
            cell = [""] * len(cell)
        if any("def " in line for line in cell):
            starts.append(f"cell {number} at {len(lines) + 1}")
        lines += cell
    notes.append(f"lines count through the notebook's code cells: {', '.join(starts) or 'none defines a function'}")
    return "\n".join(lines) + "\n"


def _builtins(program: Program) -> dict[str, Any]:
    def find(name: str, level: int) -> object | None:
        if level == 0 and name in program.siblings:
            return program.siblings[name][1]
        folder = program.path.resolve().parent
        file = folder / f"{name}.py"
        if level != 0 or "." in name or not file.is_file() or name in sys.modules or name == program.path.stem:
            return None
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None or Path(spec.origin).resolve() != file:
            return None
        module = types.ModuleType(name)
        tree = ast.parse(_text(file, []), filename=str(file))
        program.siblings[name] = tree, module
        vars(module).update(
            {"__file__": str(file), "__tap__": program.switch, "__builtins__": program.namespace["__builtins__"]}
        )
        exec(compile(tapped(tree), str(file), "exec"), vars(module))
        return module

    return {**vars(builtins), "__import__": _importer(find)}


def _importer(find: Callable[[str, int], object | None]) -> Callable[..., object]:
    """An `__import__` that asks `find` first. `import a.b as c` and `from a.b import c` come out as Python has them."""

    def import_(
        name: str,
        globals: Mapping[str, Any] | None = None,
        locals: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> object:
        found = find(name, level)
        if found is None:
            return __import__(name, globals, locals, fromlist or (), level)
        if fromlist or "." not in name:
            return found
        __import__(name)
        top = find(name.split(".")[0], level)
        return sys.modules[name.split(".")[0]] if top is None else top

    return import_
