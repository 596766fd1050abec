"""Which lessons there are: the scripts, each with its number, its name and the claim that its docstring begins with."""

import ast
import re
from dataclasses import dataclass
from pathlib import Path

from torchbasics.errors import InputError, nearest

NAME_PATTERN = re.compile(r"lesson_(?P<number>\d\d)_(?P<name>\w+)\.py")
# In a clone the scripts stand beside the package, in what pip installs in it.
_PACKAGE = Path(__file__).resolve().parents[1]
FOLDERS = (_PACKAGE / "scripts", _PACKAGE.parent / "scripts")


@dataclass(frozen=True)
class Entry:
    """One lesson."""

    number: int
    name: str
    claim: str
    script: Path
    data: str | None
    """The file of the course's pictures that its option --data is meant for, if it has that option."""


def lessons() -> list[Entry]:
    """Every lesson, in order; none is imported. Raises `InputError` if the scripts are not there."""
    found = []
    for folder in FOLDERS:
        for script in sorted(folder.glob("lesson_*.py")):
            match = NAME_PATTERN.fullmatch(script.name)
            if match is not None:
                text = script.read_text(encoding="utf-8")
                tree = ast.parse(text)
                claim = (ast.get_docstring(tree) or "").partition("\n")[0]
                found.append(Entry(int(match["number"]), match["name"], claim, script, _data(text, tree)))
        if found:
            return found
    raise InputError(f"no lesson's script is in {FOLDERS[-1]}; clone the repository, or install torchbasics anew")


def chosen(words: tuple[str, ...]) -> list[Entry]:
    """The lessons of these names or numbers, all of them for "all". Raises `InputError` for one that isn't there."""
    every = lessons()
    known = {key: entry for entry in every for key in (str(entry.number), f"{entry.number:02}", entry.name)}
    for word in words:
        if word not in known and word != "all":
            names = ", ".join(f"{entry.number} {entry.name}" for entry in every)
            hint = nearest(word, [entry.name for entry in every]).partition("(")[0]
            raise InputError(f"no lesson is called {word!r}; {hint}expected all, or some of: {names}")
    return every if "all" in words else list(dict.fromkeys(known[word] for word in words))


def _data(text: str, tree: ast.Module) -> str | None:
    """The first training file that a script names, if its dataclass has a field `data`."""
    fields = [node for form in tree.body if isinstance(form, ast.ClassDef) for node in form.body]
    has = any(isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "data" for node in fields)
    named = re.search(r"train_\w+\.h5", text)
    return named[0] if has and named else None
