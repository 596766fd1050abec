"""A report as one file, for the way back from the process that ran the user's code.

An npz archive: the report's documented JSON, and the arrays of the pictures. Never a pickle: what the user's code has
touched is read as data.
"""

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from torchbasics.check.report import Cause, Quantity, Report

_PICTURE = ("differs", "error")


def save(report: Report, path: Path) -> None:
    """Write all of it, or nothing."""
    arrays = {"json": np.frombuffer(json.dumps(report.to_json()).encode(), np.uint8)}
    for k, quantity in enumerate(report.quantities):
        for name in _PICTURE:
            array = getattr(quantity, name)
            if array is not None:
                arrays[f"{name}{k}"] = np.asarray(array)
    temporary = path.with_name(f"{path.name}.tmp")
    with temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
    os.replace(temporary, path)


def load(path: Path) -> Report:
    """The inverse of `save`. Raises `ValueError` for a file that is not a report."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            values = json.loads(arrays["json"].tobytes())
            quantities = [
                _quantity(quantity, {name: arrays[f"{name}{k}"] for name in _PICTURE if f"{name}{k}" in arrays})
                for k, quantity in enumerate(values.pop("quantities"))
            ]
        if values["verdict"] not in ("right", "wrong", "unchecked"):
            raise ValueError(f"verdict {values['verdict']!r}")
        return Report(**values, quantities=quantities)
    except (OSError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is not a report: {error}") from error


def _quantity(values: dict[str, Any], pictures: dict[str, Any]) -> Quantity:
    numbers = ("rounding_units", "relative_error", "yours", "reference", "difference_quotient")
    # A number that is not finite came as a word.
    values |= {name: None if values[name] is None else float(values[name]) for name in numbers}
    values["shape"] = tuple(values["shape"])
    values["worst_index"] = None if values["worst_index"] is None else tuple(values["worst_index"])
    values["causes"] = [Cause(**cause) for cause in values["causes"]]
    return Quantity(**values, **pictures)
