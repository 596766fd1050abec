"""How a program takes apart what it is given: parameters["W1"], parameters["W" + str(l)], W1, b1 = parameters,
weights[l], for W, b in layers. Read from the source, through the calls of its own functions.
"""

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field

from torchbasics.check.program.roles import role

DEPTH = 8
"""How deep calls are followed."""


@dataclass
class Use:
    """How one value is taken apart."""

    keys: dict[str, "Use"] = field(default_factory=dict)
    stems: dict[str, "Use"] = field(default_factory=dict)
    """The beginnings of keys that are made with a layer's number."""

    element: "Use | None" = None
    """What stands at a position, or comes up in a loop."""

    parts: tuple[tuple[str, "Use"], ...] = ()
    """The names that it is unpacked into; "" for a part that is unpacked once more."""

    is_array: bool = False
    """It is multiplied, transposed, or asked for its shape."""

    def at(self) -> "Use":
        """What stands at any position."""
        if self.element is None:
            self.element = Use()
        return self.element

    @property
    def is_container(self) -> bool:
        """Whether it has keys, parts, or elements that are arrays or containers."""
        if self.is_array:
            return False
        inner = self.element is not None and (self.element.is_array or self.element.is_container)
        return bool(self.keys or self.stems or self.parts or inner)

    def names(self) -> list[str]:
        """Every key and every name of a part in it."""
        inside = [
            *self.keys.items(),
            *self.parts,
            *((name, use) for name, use in self.stems.items() if use.is_container),
        ]
        found = [name for name, _ in inside if name]
        for _, use in inside:
            found += use.names()
        return found + (self.element.names() if self.element is not None else [])


def read_uses(functions: Mapping[str, ast.FunctionDef], called: tuple[str, ...]) -> dict[str, Use]:
    """How the functions called use their arguments, by the arguments' names."""
    uses: dict[str, Use] = {}
    for name in called:
        node = functions[name].args
        env = {a.arg: uses.setdefault(a.arg, Use()) for a in (*node.posonlyargs, *node.args, *node.kwonlyargs)}
        _Reader(functions, env, (name,)).read(functions[name])
    return uses


class _Reader(ast.NodeVisitor):
    def __init__(self, functions: Mapping[str, ast.FunctionDef], env: dict[str, Use], stack: tuple[str, ...]) -> None:
        self.functions, self.env, self.stack = functions, env, stack
        self.texts: dict[str, list[tuple[str, bool]]] = {}
        """Local names that hold a key, or one after the other: (text, whether a number is still to come)."""

    def read(self, function: ast.FunctionDef) -> None:
        own = [part for part in ast.walk(function) if isinstance(part, ast.FunctionDef) and part is not function]
        self.functions = {**self.functions, **{part.name: part for part in own}}
        for statement in function.body:
            self.visit(statement)

    def resolve(self, node: ast.expr) -> Use | None:
        """The use of what an expression stands for, if that is part of an argument."""
        match node:
            case ast.Name(id=name):
                return self.env.get(name)
            case ast.Subscript(value=value, slice=index):
                found = self._within(value, index)
                return found[0] if found else None
            case ast.Call(func=ast.Attribute(value=value, attr="get" | "pop"), args=[index, *_]):
                found = self._within(value, index)
                return found[0] if found else None
            case ast.Call(func=ast.Name(id="reversed" | "list" | "tuple"), args=[value]):
                return self.resolve(value)
            case ast.Call(func=ast.Attribute(value=value, attr="copy" | "values"), args=[]):
                return self.resolve(value)
        return None

    def _within(self, value: ast.expr, index: ast.expr) -> list[Use]:
        use = self.resolve(value)
        if use is None:
            return []
        texts = self._texts(index)
        if texts:
            return [(use.stems if open_ended else use.keys).setdefault(text, Use()) for text, open_ended in texts]
        if isinstance(index, ast.Slice):
            return [use]
        if isinstance(index, ast.Tuple):
            use.is_array = True
            return []
        return [use.at()]

    def _texts(self, node: ast.expr) -> list[tuple[str, bool]]:
        """("W1", False) for a key, ("W", True) for "W" + str(l), f"W{l}", "W%d" % l, "W{}".format(l)."""
        match node:
            case ast.Constant(value=str(text)):
                return [(text, False)]
            case ast.Name(id=name):
                return self.texts.get(name, [])
            case ast.JoinedStr(values=[ast.Constant(value=str(stem)), *_]):
                return [(stem, True)]
            case ast.JoinedStr(values=[ast.FormattedValue(value=first), *_]):
                return [(text, True) for text, _ in self._texts(first)]
            case ast.BinOp(left=left, op=ast.Add()):
                return [(text, True) for text, _ in self._texts(left)]
            case ast.BinOp(left=ast.Constant(value=str(pattern)), op=ast.Mod(), right=right):
                given = right.elts[0] if isinstance(right, ast.Tuple) and right.elts else right
                return self._formatted(pattern.partition("%")[0], given)
            case ast.Call(func=ast.Attribute(value=ast.Constant(value=str(pattern)), attr="format"), args=[given, *_]):
                return self._formatted(pattern.partition("{")[0], given)
        return []

    def _formatted(self, stem: str, first: ast.expr) -> list[tuple[str, bool]]:
        return [(stem, True)] if stem else [(text, True) for text, _ in self._texts(first)]

    def bind(self, target: ast.expr, use: Use) -> None:
        """`target = use`."""
        match target:
            case ast.Name(id=name):
                self.env[name] = use
            case ast.Tuple(elts=elements) | ast.List(elts=elements):
                if not use.parts or len(use.parts) != len(elements):
                    use.parts = tuple((e.id if isinstance(e, ast.Name) else "", Use()) for e in elements)
                for element, (_, part) in zip(elements, use.parts, strict=True):
                    self.bind(element, part)

    def iterate(self, target: ast.expr, over: ast.expr) -> None:
        """`for target in over`."""
        match over:
            case ast.Call(func=ast.Name(id="zip"), args=several) if isinstance(target, ast.Tuple):
                for inner, one in zip(target.elts, several, strict=False):
                    self.iterate(inner, one)
                return
            case ast.Call(func=ast.Name(id="enumerate"), args=[one, *_]) if isinstance(target, ast.Tuple):
                self.iterate(target.elts[-1], one)
                return
            case ast.Call(func=ast.Name(id="reversed" | "list" | "tuple" | "sorted"), args=[one, *_]):
                self.iterate(target, one)
                return
            case ast.Tuple(elts=elements) | ast.List(elts=elements) if isinstance(target, ast.Name):
                self.texts[target.id] = [text for element in elements for text in self._texts(element)]
        use = self.resolve(over)
        if use is not None:
            self.bind(target, use.at())
        elif isinstance(target, ast.Name):
            self.env.pop(target.id, None)

    def assign(self, target: ast.expr, value: ast.expr) -> None:
        """`target = value`."""
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
            for inner, one in zip(target.elts, value.elts, strict=True):
                self.assign(inner, one)
            return
        use = self.resolve(value)
        if use is not None:
            self.bind(target, use)
        elif isinstance(target, ast.Name):
            self.env.pop(target.id, None)
            self.texts[target.id] = self._texts(value)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        """Read where it is called."""

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        for target in node.targets:
            self.assign(target, node.value)

    def visit_For(self, node: ast.For) -> None:
        self.visit(node.iter)
        self.iterate(node.target, node.iter)
        for statement in (*node.body, *node.orelse):
            self.visit(statement)

    def _comprehension(self, node: ast.ListComp | ast.GeneratorExp | ast.SetComp | ast.DictComp) -> None:
        env, texts = dict(self.env), dict(self.texts)
        for generator in node.generators:
            self.visit(generator.iter)
            self.iterate(generator.target, generator.iter)
        for part in (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,):
            self.visit(part)
        self.env, self.texts = env, texts

    visit_ListComp = visit_GeneratorExp = visit_SetComp = visit_DictComp = _comprehension

    def visit_Subscript(self, node: ast.Subscript) -> None:
        self._within(node.value, node.slice)
        self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if node.attr in ("T", "dot", "shape", "transpose", "ndim", "reshape"):
            self._multiplied(node.value)
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if isinstance(node.op, ast.MatMult):
            self._multiplied(node.left)
            self._multiplied(node.right)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        match node.func:
            case ast.Attribute(attr="dot" | "matmul" | "mm" | "einsum"):
                for argument in node.args:
                    self._multiplied(argument)
            case ast.Attribute(attr="get" | "pop"):
                self.resolve(node)
            case ast.Name(id="map"):
                match node.args:
                    case [
                        ast.Attribute(value=value, attr="get" | "__getitem__"),
                        ast.Tuple(elts=keys) | ast.List(elts=keys),
                    ]:
                        for key in keys:
                            self._within(value, key)
            case ast.Name(id=name) if name in self.functions and name not in self.stack and len(self.stack) < DEPTH:
                arguments = self.functions[name].args
                positional = [a.arg for a in (*arguments.posonlyargs, *arguments.args)]
                given = [*zip(positional, node.args, strict=False), *((k.arg, k.value) for k in node.keywords if k.arg)]
                env = {inner: use for inner, value in given if inner and (use := self.resolve(value)) is not None}
                _Reader(self.functions, env, (*self.stack, name)).read(self.functions[name])
        self.generic_visit(node)

    def _multiplied(self, node: ast.expr) -> None:
        use = self.resolve(node)
        # What is transposed may be the element of an object array, or a list that a comprehension has made.
        if use is not None and not use.keys and not use.stems and not use.parts:
            use.is_array = True


def is_list(name: str, use: Use) -> bool:
    """Whether it is a list with something for every layer."""
    if use.is_array or use.keys or use.stems or use.parts or use.element is None:
        return False
    # W[l] is multiplied; b[l] is but added, or looped over beside it.
    known = role(name)
    return use.element.is_array or use.element.is_container or (known is not None and not known.is_weight)
