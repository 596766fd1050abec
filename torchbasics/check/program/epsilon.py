"""The program without the tiny constants that guard a logarithm or a quotient: log(A + 1e-8), whose derivative everyone
takes for that of log(A)."""

import ast
import copy
from dataclasses import replace

from torchbasics.check.program.source import Program, execute_definitions
from torchbasics.check.program.taps import Switch

LARGEST = 1e-6


def without_guards(program: Program) -> tuple[Program, list[str]] | None:
    """The same with zeros added, and which constants they stand for; None where there are none.

    A constant counts that is added or subtracted, as it stands or by a name that is compared with nothing.
    """
    tree = copy.deepcopy(program.tree)
    names = _added(tree) - _compared(tree)
    guards: list[str] = []

    def zero(node: ast.expr | None) -> None:
        if isinstance(node, ast.Constant) and isinstance(node.value, float) and 0 < node.value <= LARGEST:
            guards.append(f"{node.value:g} (line {node.lineno})")
            node.value = 0.0

    for node in ast.walk(tree):
        match node:
            case ast.BinOp(left=left, op=ast.Add() | ast.Sub(), right=right):
                zero(left)
                zero(right)
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if name in names:
                zero(value)
            case ast.arguments():
                positional = [*node.posonlyargs, *node.args]
                defaults = zip(positional[len(positional) - len(node.defaults) :], node.defaults, strict=True)
                for argument, default in (*defaults, *zip(node.kwonlyargs, node.kw_defaults, strict=True)):
                    if argument.arg in names:
                        zero(default)
    if not guards:
        return None
    namespace = dict(program.namespace)
    without = replace(program, tree=tree, namespace=namespace, switch=Switch())
    namespace["__tap__"] = without.switch
    execute_definitions(tree, str(program.path), namespace)
    return without, guards


def _added(tree: ast.Module) -> set[str]:
    sums = [n for n in ast.walk(tree) if isinstance(n, ast.BinOp) and isinstance(n.op, ast.Add | ast.Sub)]
    return {part.id for node in sums for part in (node.left, node.right) if isinstance(part, ast.Name)}


def _compared(tree: ast.Module) -> set[str]:
    compared = [part for node in ast.walk(tree) if isinstance(node, ast.Compare) for part in ast.walk(node)]
    return {part.id for part in compared if isinstance(part, ast.Name)}
