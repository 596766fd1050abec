"""Break every line of every backward, one sign, factor, axis, order or transpose at a time: does a test go red?

Each mutant is a copy of the package with one change; the tests that prove the mathematics run against it. A mutant that
they let pass is a survivor, and means a missing test. Prints a table, and exits with 1 if there is a survivor.

    python scripts/mutate_backward.py            # all mutants, one per core at a time
    python scripts/mutate_backward.py --list     # only say what would be changed
"""

import argparse
import ast
import contextlib
import importlib
import multiprocessing
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

import pytest
import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
# By file: the functions whose every line is part of a derivative or of an update, and the tests that prove them.
BACKWARD = {
    "torchbasics/layers/linear.py": ({"gradients", "backward"}, ["test_layers", "test_network"]),
    "torchbasics/layers/activation.py": ({"backward"}, ["test_layers"]),
    "torchbasics/layers/attention.py": (
        {"attend_back", "_gradients", "gradients", "backward"},
        ["test_attention"],
    ),
    "torchbasics/layers/compose.py": ({"gradients", "backward"}, ["test_compose"]),
    "torchbasics/layers/embedding.py": ({"gradients"}, ["test_embedding"]),
    "torchbasics/layers/positional.py": ({"backward"}, ["test_attention"]),
    "torchbasics/layers/recurrent/rnn.py": ({"sweep_back"}, ["test_recurrent"]),
    "torchbasics/layers/recurrent/gru.py": ({"sweep_back"}, ["test_recurrent"]),
    "torchbasics/layers/recurrent/lstm.py": ({"sweep_back"}, ["test_recurrent"]),
    "torchbasics/layers/smooth.py": ({"backward"}, ["test_smooth"]),
    "torchbasics/layers/softmax.py": ({"backward"}, ["test_smooth"]),
    "torchbasics/losses/binary.py": ({"backward"}, ["test_losses"]),
    "torchbasics/losses/divergence.py": ({"backward"}, ["test_losses"]),
    "torchbasics/losses/hinge.py": ({"backward"}, ["test_losses"]),
    "torchbasics/losses/regression.py": ({"backward"}, ["test_losses"]),
    "torchbasics/losses/softmax.py": ({"backward"}, ["test_losses"]),
    "torchbasics/network.py": ({"backward"}, ["test_network", "test_regularisation"]),
    "torchbasics/notation.py": ({"dZ_from_autograd"}, ["test_layers"]),
    "torchbasics/optim.py": ({"step"}, ["test_optim"]),
    "torchbasics/logistic.py": (
        {"one_example", "loop_over_examples", "loop_over_examples_and_features", "vectorised", "optimize"},
        ["test_logistic"],
    ),
}
OPERATORS: dict[type[ast.operator], list[type[ast.operator]]] = {
    ast.Add: [ast.Sub],
    ast.Sub: [ast.Add],
    ast.Mult: [ast.Div],
    ast.Div: [ast.Mult],
    ast.MatMult: [ast.Mult],
    ast.Pow: [ast.Mult],
}


@dataclass(frozen=True)
class Mutant:
    """One change: the file's whole new text, and what was done where."""

    path: str
    line: int
    kind: str
    before: str
    after: str
    text: str


def mutants(path: str) -> Iterator[Mutant]:
    """Every mutant of the file's functions, their docstrings and annotations aside."""
    source = (ROOT / path).read_text()
    functions, _ = BACKWARD[path]
    tree = ast.parse(source)
    records = set(_records(tree))
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef) or function.name not in functions:
            continue
        body = function.body[1 if ast.get_docstring(function) else 0 :]
        nodes = [node for statement in body for node in ast.walk(statement)]
        texts = {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
        nodes = [node for node in nodes if id(node) not in texts]  # a message is not arithmetic
        values = {id(value) for node in nodes for value in _values(node) if not _is_record(value, records)}
        # The sign of a factor is the sign of its product: one mutant for both.
        factors = {id(side) for node in nodes if _is_product(node) for side in (node.left, node.right)}
        for node in nodes:
            whole = value_changes(node) if id(node) in values else ()
            for kind, replacement in (*changes(node), *whole):
                if kind in ("sign", "factor 2") and _is_product(node) and id(node) in factors:
                    continue
                assert isinstance(node, ast.expr | ast.stmt)
                text = splice(source, node, replacement)
                before, after = (code.splitlines()[node.lineno - 1].strip() for code in (source, text))
                yield Mutant(path, node.lineno, kind, before, after, text)


def _is_product(node: ast.AST) -> TypeGuard[ast.BinOp]:
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div | ast.MatMult)


def _values(node: ast.AST) -> Iterator[ast.expr]:
    """What the node assigns, returns, collects or chooses as a whole; a product or sum has mutants of its own."""
    match node:
        # Several targets take a tuple apart: what has no sign as a whole.
        case ast.Assign([ast.Name() | ast.Attribute() | ast.Subscript()], value) | ast.Return(value):
            candidates = [value]
        case ast.AnnAssign(_, _, value):
            candidates = [value]
        case ast.Dict(_, members):
            candidates = [*members]
        case ast.Call(ast.Attribute(_, "append"), arguments):
            candidates = [*arguments]
        case ast.Call(ast.Attribute(ast.Name("torch"), "where"), arguments):
            # What else stands there is arithmetic or a condition.
            candidates = [argument for argument in arguments if isinstance(argument, ast.Name)]
        case _:
            return
    for candidate in candidates:
        if isinstance(candidate, ast.Call | ast.Attribute | ast.Name | ast.Subscript):
            yield candidate


def _records(tree: ast.Module) -> Iterator[str]:
    """The file's NamedTuples, and the functions that return one: Python has no minus for them, and any use fails."""
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    names = {kind.name for kind in classes if any(ast.unparse(base) == "NamedTuple" for base in kind.bases)}
    yield from names
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.returns and ast.unparse(node.returns) in names:
            yield node.name


def _is_record(value: ast.expr, records: set[str]) -> bool:
    return isinstance(value, ast.Call) and ast.unparse(value.func) in records


def value_changes(node: ast.AST) -> Iterator[tuple[str, str]]:
    """(kind of change, new source) for a whole value that is a call or a name, and has no operator to change."""
    yield "sign", f"-({ast.unparse(node)})"
    yield "factor 2", f"2 * ({ast.unparse(node)})"


def changes(node: ast.AST) -> Iterator[tuple[str, str]]:
    """(kind of change, new source) for one node of the tree; the rest of the line stays as it is."""
    match node:
        case ast.BinOp(ast.Constant(str()) | ast.List(), _, _):
            return  # names and lists: no arithmetic
        case ast.BinOp(left, operator, right) if type(operator) in OPERATORS:  # % counts iterations
            for other in OPERATORS[type(operator)]:
                yield "operator", ast.unparse(ast.BinOp(left, other(), right))
            if _is_product(node):
                yield "factor dropped", ast.unparse(left)
                yield "factor dropped", ast.unparse(right)
            yield "sign", f"-({ast.unparse(node)})"
            yield "factor 2", f"2 * ({ast.unparse(node)})"
        case ast.AugAssign(target, _, value):
            yield "= for +=", f"{ast.unparse(target)} = {ast.unparse(value)}"
            yield "sign", f"{ast.unparse(target)} -= {ast.unparse(value)}"
        case ast.Attribute(value, "T"):
            yield "transpose dropped", ast.unparse(value)
        case ast.Subscript(value, ast.Constant(int(index)), _):
            yield "axis", f"{ast.unparse(value)}[{1 - min(index, 1)}]"
        case ast.Subscript(value, ast.UnaryOp(ast.USub(), ast.Constant(1)), _):
            yield "axis", f"{ast.unparse(value)}[0]"
        case ast.Subscript(value, ast.Slice(None, ast.Constant(0), ast.UnaryOp(ast.USub(), ast.Constant(1)))):
            # Of a reversed slice alone only the order can be lost: with another length it no longer fits its partner.
            yield "order", f"{ast.unparse(value)}[1:]"
        case ast.Call(ast.Name("zip"), arguments, _) if any("[:0:-1]" in ast.unparse(part) for part in arguments):
            for kind, slice_ in (("order", "[1:]"), ("first kept", "[::-1]"), ("every layer dropped", "[:0]")):
                yield kind, ast.unparse(node).replace("[:0:-1]", slice_)
        case ast.Call(function, arguments, keywords):
            for k, keyword in enumerate(keywords):
                if keyword.arg == "strict":
                    continue  # about lengths, not about derivatives
                rest = keywords[:k] + keywords[k + 1 :]
                yield f"{keyword.arg} dropped", ast.unparse(ast.Call(function, arguments, rest))
                match keyword:
                    case ast.keyword("dim", ast.Constant(int(dim))):
                        changed = ast.keyword("dim", ast.Constant(1 - dim))
                        yield "axis", ast.unparse(ast.Call(function, arguments, [*rest, changed]))
                    case ast.keyword("alpha", value):
                        changed = ast.keyword("alpha", ast.UnaryOp(ast.USub(), value))
                        yield "sign", ast.unparse(ast.Call(function, arguments, [*rest, changed]))
                        changed = ast.keyword("alpha", ast.BinOp(ast.Constant(2), ast.Mult(), value))
                        yield "factor 2", ast.unparse(ast.Call(function, arguments, [*rest, changed]))
            if isinstance(function, ast.Attribute) and function.attr in ("sign", "sum", "where"):
                yield "call dropped", ast.unparse(arguments[-1]) if arguments else ast.unparse(function.value)
        case ast.Compare(left, [ast.Gt()], [right]):
            yield ">= for >", f"{ast.unparse(left)} >= {ast.unparse(right)}"
            yield "< for >", f"{ast.unparse(left)} < {ast.unparse(right)}"
        case ast.Compare(_, [ast.IsNot()], [ast.Constant(None)]):
            yield "condition dropped", "True"


def splice(source: str, node: ast.expr | ast.stmt, replacement: str) -> str:
    """The source with the node's own characters replaced; ast counts bytes within a line."""
    lines = source.encode().splitlines(keepends=True)
    assert node.end_lineno is not None
    start = sum(map(len, lines[: node.lineno - 1])) + node.col_offset
    end = sum(map(len, lines[: node.end_lineno - 1])) + (node.end_col_offset or 0)
    # Parentheses keep what was one operand one operand.
    new = f"({replacement})" if isinstance(node, ast.BinOp | ast.Compare) else replacement
    return (source.encode()[:start] + new.encode() + source.encode()[end:]).decode()


def survives(mutant: Mutant) -> bool:
    """Whether every test passes on a copy of the package with this one change. Runs in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("torchbasics", "tests"):
            shutil.copytree(ROOT / name, Path(folder, name), ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", folder)
        Path(folder, mutant.path).write_text(mutant.text)
        os.chdir(folder)
        sys.path.insert(0, folder)
        sys.dont_write_bytecode = True
        # The products are tiny; and a fixed seed gives the same verdict tomorrow.
        torch.set_num_threads(1)
        options = ["-x", "-q", "-m", "not slow", "-p", "no:cacheprovider", "--tb=no", "--assert=plain"]
        options += ["--hypothesis-seed=0", "--hypothesis-profile=first-failure"]
        files = [f"tests/{name}.py" for name in BACKWARD[mutant.path][1]]
        with open(os.devnull, "w") as silence, contextlib.redirect_stdout(silence), contextlib.redirect_stderr(silence):
            code = pytest.main([*options, *files])
        os.chdir(ROOT)
    # 1: a test failed; 2: the mutant can't even be imported. Anything else means that pytest didn't run.
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED):
        raise RuntimeError(f"pytest ended with {code!r} on {mutant}")
    return code == pytest.ExitCode.OK


def main() -> int:
    """Print what survives, after checking that nothing goes red without a change."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--list", action="store_true", help="print the mutants and run nothing")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="mutants at a time (default: every core)")
    options = parser.parse_args()
    console = Console()
    everything = [mutant for path in BACKWARD for mutant in mutants(path)]
    if options.list:
        for mutant in everything:
            print(f"{mutant.path}:{mutant.line} {mutant.kind}: {mutant.after}")
        return 0
    unchanged = [Mutant(path, 0, "none", "", "", (ROOT / path).read_text()) for path in BACKWARD]
    # Forked, with what the tests import imported once, and the package not at all.
    for name in ("beartype", "h5py", "hypothesis", "jaxtyping"):
        importlib.import_module(name)
    with multiprocessing.get_context("fork").Pool(options.jobs, maxtasksperchild=1) as pool:
        if not all(pool.map(survives, unchanged, chunksize=1)):
            console.print("the tests fail without any change: mend them first")
            return 1
        verdicts = list(track(pool.imap(survives, everything), "mutants", total=len(everything), console=console))
    survivors = [mutant for mutant, survived in zip(everything, verdicts, strict=True) if survived]
    table = Table("file", "mutants", "survivors")
    for path in BACKWARD:
        count = sum(mutant.path == path for mutant in everything)
        table.add_row(path, str(count), str(sum(mutant.path == path for mutant in survivors)))
    table.add_row("all", str(len(everything)), str(len(survivors)), style="bold")
    console.print(table)
    for mutant in survivors:
        print(f"SURVIVES {mutant.path}:{mutant.line} {mutant.kind}\n    {mutant.before}\n    {mutant.after}")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
