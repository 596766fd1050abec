"""What the lessons that were run have left: runs/lessons/NAME, NAME-2, ..., each with its verdict.json and picture.

Nothing heavy is imported here, so that a list of verdicts doesn't wait for torch.
"""

import json
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

VERDICT, PICTURE = "verdict.json", "picture.png"


@dataclass(frozen=True)
class Result:
    """One run of a lesson, as its verdict.json has it."""

    folder: Path
    claim: str
    holds: bool
    words: str
    numbers: Mapping[str, float]
    options: Mapping[str, Any]
    arguments: tuple[str, ...]
    """Those of its options that are not the defaults, as its script takes them."""
    seconds: float

    @property
    def verdict(self) -> str:
        """Whether the claim held, in words."""
        return "holds" if self.holds else "does not hold"


def numbered(runs_dir: Path, name: str) -> dict[int, Path]:
    """The lesson's folders by number, done or not; the one without a number is the first."""
    parent = runs_dir / "lessons"
    pattern = re.compile(rf"{re.escape(name)}(?:-([2-9]|[1-9]\d+))?")
    found = {}
    for path in parent.iterdir() if parent.is_dir() else ():
        match = pattern.fullmatch(path.name)
        if match is not None:
            found[int(match[1] or 1)] = path
    return found


def newest(runs_dir: Path, name: str) -> Result | None:
    """The lesson's newest run that came to a verdict; a damaged verdict.json is said, and passed over."""
    for _, folder in sorted(numbered(runs_dir, name).items(), reverse=True):
        path = folder / VERDICT
        if not path.is_file():
            continue
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            result = _result(folder, content)
            own = content["name"] == name
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            warnings.warn(f"{path} is damaged and passed over; run the lesson again", stacklevel=2)
            continue
        # A folder that someone has renamed may bear another lesson's verdict.
        if own:
            return result
    return None


def _result(folder: Path, content: Mapping[str, Any]) -> Result:
    """Raises `TypeError`, `ValueError` or `KeyError` for what is no verdict."""
    if not isinstance(content["holds"], bool) or not isinstance(content["options"], dict):
        raise TypeError
    return Result(
        folder=folder,
        claim=_text(content["claim"]),
        holds=content["holds"],
        words=_text(content["words"]),
        numbers={name: float(value) for name, value in content["numbers"].items()},
        options=content["options"],
        arguments=tuple(map(_text, content["arguments"])),
        seconds=float(content["seconds"]),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
