"""The house's one-way imports."""

import ast
from pathlib import Path

import pytest

import torchbasics

PACKAGE = Path(torchbasics.__file__).parent
# What each part may import of the package, besides itself, errors and notation.
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "notation": set(),
    "logistic": set(),
    "optim": set(),
    "data": set(),
    "layers": set(),
    "losses": {"layers"},
    "regularisation": set(),
    "network": {"layers", "losses", "regularisation"},
    "initialisation": {"layers", "losses", "network"},
    "models": {"layers", "losses", "network", "initialisation"},
    "training": {
        "arguments",
        "board",
        "data",
        "graph",
        "initialisation",
        "layers",
        "losses",
        "models",
        "network",
        "optim",
        "regularisation",
    },
    # What a command writes where the user says, and how its pages look.
    "files": set(),
    "page": set(),
    "check": {"logistic", "layers", "losses", "models", "network", "regularisation", "files", "page", "arguments"},
    "bench": {"layers"},
    "testing": {"check"},
    "pytest_plugin": {"testing"},
    "arguments": set(),
    "board": set(),
    "exits": set(),
    "graph": {"arguments", "board", "check", "files", "layers", "network"},
    "lessons": {"arguments", "board", "exits", "training", "files", "page"},
    "cli": {"arguments", "exits", "graph", "lessons", "bench", "check", "training", "data", "__version__"},
    "__main__": {"cli"},
    "__init__": set(),
}


def part(path: Path) -> str:
    """The part of the house a file is in: its top-level module or subpackage."""
    relative = path.relative_to(PACKAGE)
    return relative.parts[0] if len(relative.parts) > 1 else relative.stem


def imported(path: Path) -> set[str]:
    """The parts that a file imports, wherever in it the import stands."""
    parts = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        parts |= {name.split(".")[1] for name in names if name.startswith("torchbasics.")}
    return parts


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path: Path) -> None:
    here = part(path)
    assert here in ALLOWED, f"{here} is new: say in this table what it may import"
    assert imported(path) - {here, "errors", "notation"} <= ALLOWED[here]


def test_layers_import_only_their_base() -> None:
    # A folder of layers has one file more for them to share.
    shared = {"recurrent": "torchbasics.layers.recurrent.through_time"}
    for path in (PACKAGE / "layers").rglob("*.py"):
        if path.stem not in ("__init__", "base"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("torchbasics.layers"):
                    assert node.module in ("torchbasics.layers.base", shared.get(path.parent.name)), path


def test_every_module_is_used_by_another() -> None:
    # A module that nothing but its own test imports is not finished. The exceptions are what users and pytest import,
    # and what starts as a process of its own.
    # A lesson's script is a user of the package as much as a part of it.
    used = set()
    for path in [*PACKAGE.rglob("*.py"), *(PACKAGE.parent / "scripts").glob("lesson_*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("torchbasics"):
                used.add(node.module)
                used |= {f"{node.module}.{alias.name}" for alias in node.names}
    modules = {
        ".".join(["torchbasics", *path.relative_to(PACKAGE).with_suffix("").parts])
        for path in PACKAGE.rglob("*.py")
        if path.name not in ("__init__.py", "__main__.py")
    }
    assert modules - used == {"torchbasics.pytest_plugin"}
