"""Break every line of every backward, one sign, factor, axis, order or transpose at a time: does a test go red?

Each mutant is the package with one change; the tests that prove the mathematics run against it. A mutant that they let
pass is a survivor, and means a missing test. Prints a table, and exits with 1 if there is a survivor.

    python scripts/mutate_backward.py            # all mutants, one per core at a time
    python scripts/mutate_backward.py --list     # only say what would be changed
"""

import argparse
import ast
import contextlib
import gc
import io
import os
import resource
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FunctionType
from typing import TypeGuard

import pytest
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress
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
    "torchbasics/layers/conv.py": (
        {
            "gradients",
            "backward",
            "extent",
            "leftover",
            "_sum",
            "_slide",
            "_by_convolution",
            "_by_products",
            "_product",
            "_blocks",
        },
        ["test_conv"],
    ),
    "torchbasics/layers/dropout.py": ({"backward"}, ["test_dropout"]),
    "torchbasics/layers/embedding.py": ({"gradients"}, ["test_embedding"]),
    "torchbasics/layers/norm.py": ({"gradients", "backward", "_gradients"}, ["test_norm"]),
    "torchbasics/layers/pool.py": ({"forward", "backward", "_axis", "_regular"}, ["test_pool"]),
    "torchbasics/layers/positional.py": ({"backward"}, ["test_attention"]),
    "torchbasics/layers/recurrent/through_time.py": (
        {"backward", "levels_back", "level_back", "reversed", "rest"},
        ["test_recurrent"],
    ),
    "torchbasics/layers/recurrent/rnn.py": ({"sweep_back"}, ["test_recurrent"]),
    "torchbasics/layers/recurrent/gru.py": ({"sweep_back"}, ["test_recurrent"]),
    "torchbasics/layers/recurrent/lstm.py": ({"sweep_back"}, ["test_recurrent"]),
    "torchbasics/layers/reshape.py": ({"backward"}, ["test_reshape"]),
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
# Seconds of processor time.
LONGEST = 300
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
    """One change: the file's whole new text, what was done where, and the tests that have to notice."""

    path: str
    owner: str
    tests: tuple[str, ...]
    line: int
    kind: str
    before: str
    after: str
    text: str = field(repr=False)


def mutants(path: str) -> Iterator[Mutant]:
    """Every mutant of the file's functions, their docstrings and annotations aside."""
    source = (ROOT / path).read_text()
    functions, tests = BACKWARD[path]
    tree = ast.parse(source)
    records = set(_records(tree))
    owners = {member: top.name for top in tree.body if isinstance(top, ast.ClassDef) for member in top.body}
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef) or function.name not in functions:
            continue
        owner = owners.get(function, function.name)
        body = function.body[1 if ast.get_docstring(function) else 0 :]
        nodes = [node for statement in body for node in ast.walk(statement)]
        texts = {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
        nodes = [node for node in nodes if id(node) not in texts]  # a message is not arithmetic
        values = {id(value) for node in nodes for value in _values(node) if not _is_record(value, records)}
        # What a call gives is the same without out=, and only matters where nothing else is done with it.
        stated = {id(part) for node in nodes if isinstance(node, ast.Expr) for part in ast.walk(node)}
        # The sign of a factor is the sign of its product: one mutant for both.
        factors = {id(side) for node in nodes if _is_product(node) for side in (node.left, node.right)}
        for node in nodes:
            whole = value_changes(node) if id(node) in values else ()
            for kind, replacement in (*changes(node), *whole):
                if kind in ("sign", "factor 2") and _is_product(node) and id(node) in factors:
                    continue
                if kind == "out dropped" and id(node) not in stated:
                    continue
                assert isinstance(node, ast.expr | ast.stmt)
                text = splice(source, node, replacement)
                before, after = (code.splitlines()[node.lineno - 1].strip() for code in (source, text))
                yield Mutant(path, owner, tuple(tests), node.lineno, kind, before, after, text)


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
        # Twice 0 is 0.
        zeros = isinstance(candidate, ast.Call) and ast.unparse(candidate.func).endswith("zeros_like")
        if isinstance(candidate, ast.Call | ast.Attribute | ast.Name | ast.Subscript) and not zeros:
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
                method = ast.unparse(function.value) != "torch"
                yield "call dropped", ast.unparse(function.value if method else arguments[-1])
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


class Forks:
    """A plugin: the tests are collected once, and for each mutant a fork of the process runs its own of them."""

    def __init__(self, everything: list[Mutant], jobs: int, console: Console) -> None:
        self.everything, self.jobs, self.console = everything, jobs, console
        self.survivors: list[Mutant] = []
        # What has found one mutant of a file will find many: the latest last.
        self.finders: list[str] = []
        self.said, self.say = os.pipe()
        os.set_blocking(self.said, False)
        # Whether a test fails without any change: then no mutant means anything.
        self.red = False
        self.in_fork = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        """In the parent everything is done then; in a fork pytest goes on to run what is left of the items."""
        running: dict[int, Mutant] = {}
        columns = (*Progress.get_default_columns(), MofNCompleteColumn())
        # A thread that refreshes would not come along into the forks.
        with Progress(*columns, console=self.console, auto_refresh=False) as progress:
            task = progress.add_task("mutants", total=len(self.everything))
            for mutant in self.everything:
                if self.red:
                    break
                while len(running) >= self.jobs:
                    self._reap(running)
                    progress.update(task, advance=1, refresh=True)
                process = os.fork()
                if process == 0:
                    self._become(mutant, session)
                    return None
                running[process] = mutant
            while running:
                self._reap(running)
                progress.update(task, advance=1, refresh=True)
        return True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A fork tells which test has found its mutant."""
        if self.in_fork and report.failed:
            os.write(self.say, f"{report.nodeid}\n".encode())

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """A fork ends here, with the verdict as its exit status, and touches nothing that is the parent's."""
        if self.in_fork:
            os._exit(exitstatus)

    def _become(self, mutant: Mutant, session: pytest.Session) -> None:
        self.in_fork = True
        # A change may make a loop that never ends; the longest of the test files takes a small part of this.
        resource.setrlimit(resource.RLIMIT_CPU, (LONGEST, LONGEST))
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        order = {name: k for k, name in enumerate(self.finders)}

        def promise(item: pytest.Item) -> tuple[int, bool]:
            """Large for what found the mutants before, then for what has the class in its name."""
            name = item.nodeid.replace("-", "").replace("_", "").lower()
            return order.get(item.nodeid, -1), mutant.owner.replace("_", "").lower() in name

        items = [item for item in session.items if item.path.stem in mutant.tests]
        session.items[:] = sorted(items, key=promise, reverse=True)
        change(mutant)

    def _reap(self, running: dict[int, Mutant]) -> None:
        process, status = os.wait()
        code, mutant = os.waitstatus_to_exitcode(status), running.pop(process)
        if code == pytest.ExitCode.OK:
            self.survivors.append(mutant)
        elif code in (pytest.ExitCode.TESTS_FAILED, -signal.SIGXCPU, -signal.SIGKILL):
            self.red |= mutant.kind == "none"
            # Another fork's line may have come with this one's, and nothing be left.
            with contextlib.suppress(BlockingIOError):
                self.finders += os.read(self.said, 2**16).decode().splitlines()
        else:
            raise RuntimeError(f"pytest ended with {code} on {mutant}")


def change(mutant: Mutant) -> None:
    """Give the file's functions, wherever they are held, the mutant's code, as if the file had been so."""
    path = str(ROOT / mutant.path)
    codes: dict[str, CodeType] = {}
    nested = [compile(mutant.text, path, "exec", dont_inherit=True)]
    while nested:
        inner = [constant for constant in nested.pop().co_consts if isinstance(constant, CodeType)]
        codes.update((code.co_qualname, code) for code in inner)
        nested += inner
    for function in gc.get_objects():
        # By type, not isinstance: some of what lives there answers only under protest when it is asked for its class.
        if type(function) is FunctionType and function.__code__.co_filename == path:
            function.__code__ = codes[function.__code__.co_qualname]


def survivors(everything: list[Mutant], jobs: int, console: Console) -> list[Mutant]:
    """The mutants on which every test passes."""
    # Pytest reads the options and finds the tests from where it stands.
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    options = ["-x", "-q", "-m", "not slow", "-p", "no:cacheprovider", "-p", "no:xdist", "--tb=no", "--assert=plain"]
    options += ["--no-header", "--no-summary", "--capture=no"]
    # A fixed seed gives the same verdict tomorrow.
    options += ["--hypothesis-seed=0", "--hypothesis-profile=first-failure"]
    files = sorted({f"tests/{name}.py" for mutant in everything for name in mutant.tests})
    forks = Forks(everything, jobs, console)
    with contextlib.redirect_stdout(io.StringIO()) as said:
        code = pytest.main([*options, *files], plugins=[forks])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        raise RuntimeError(f"pytest ended with {code!r}: {said.getvalue()}")
    return forks.survivors


def main() -> int:
    """Print what survives, after checking that nothing goes red without a change."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--list", action="store_true", help="print the mutants and run nothing")
    parser.add_argument("--only", metavar="TEXT", default="", help="the files with this in their path (default: all)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="mutants at a time (default: every core)")
    options = parser.parse_args()
    console = Console(stderr=True)
    paths = [path for path in BACKWARD if options.only in path]
    everything = [mutant for path in paths for mutant in mutants(path)]
    if options.list:
        for mutant in everything:
            print(f"{mutant.path}:{mutant.line} {mutant.kind}: {mutant.after}")
        return 0
    path, names = paths[0], sorted({name for path in paths for name in BACKWARD[path][1]})
    unchanged = [Mutant(path, "", (name,), 0, "none", "", "", (ROOT / path).read_text()) for name in names]
    found = survivors([*unchanged, *everything], options.jobs, console)
    if red := [name for name, mutant in zip(names, unchanged, strict=True) if mutant not in found]:
        print(f"tests fail without any change, mend them first: {', '.join(red)}")
        return 1
    found = [mutant for mutant in found if mutant not in unchanged]
    table = Table("file", "mutants", "survivors")
    for path in paths:
        count = sum(mutant.path == path for mutant in everything)
        table.add_row(path, str(count), str(sum(mutant.path == path for mutant in found)))
    table.add_row("all", str(len(everything)), str(len(found)), style="bold")
    Console().print(table)
    for mutant in found:
        print(f"SURVIVES {mutant.path}:{mutant.line} {mutant.kind}\n    {mutant.before}\n    {mutant.after}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
