"""What a check found, as data: one `Quantity` per line of the report, gathered per file in a `Report`.

Rendering is elsewhere (`terminal`, `page`, `board`), so that every output says the same. `Report.to_json` gives the
documented form:

| key | meaning |
|---|---|
| file | what was checked |
| verdict | "right", "wrong", or "unchecked": it could not be judged, and `reason` says why |
| reason | one line: why it is unchecked, or what the verdict rests on |
| convention | whether intermediate gradients are the notes' m dJ/dZ or autograd's dJ/dZ |
| notes | what else is worth saying, one line each |
| unmatched | gradients that belong to no quantity of the forward, by name |
| quantities | the list below, in the order of the backward sweep |

and of each quantity name, verdict ("right" or "wrong"), line, shape, rounding_units, relative_error, worst_index,
yours, reference, reference_kind, difference_quotient, note and causes (id, text, formula, certain). A number that is
not finite is the string "nan", "inf" or "-inf", since JSON has none.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

Verdict = Literal["right", "wrong", "unchecked"]


@dataclass(frozen=True)
class Cause:
    """A mistake that explains a wrong quantity."""

    id: str
    """The row of the catalogue, such as "one_over_m_missing"; the same everywhere."""

    text: str
    """One sentence in the notes' symbols: "the 1/m of dW2 = 1/m dZ2 A1^T is missing"."""

    formula: str
    """What it should be: "dW2 = 1/m dZ2 A1^T"."""

    certain: bool = True
    """The mistake, recomputed, equals the user's value to rounding, and nothing else in the catalogue does."""


@dataclass
class Quantity:
    """One gradient of the user's, judged given the user's own downstream values; or one forward quantity."""

    name: str
    verdict: Literal["right", "wrong"]
    line: int | None
    shape: tuple[int, ...]
    rounding_units: float
    """The worst entry's error over what rounding alone can do to it; up to about 8.5 is rounding."""

    relative_error: float
    """max |yours - reference| / max |reference|."""

    worst_index: tuple[int, ...] | None
    yours: float | None
    """The user's value at the worst entry."""

    reference: float | None
    """The right value there, in the user's own convention."""

    reference_kind: str
    """"autograd", "central difference", "complex step" or "torch.nn twin"."""

    difference_quotient: float | None = None
    """A second, independent reference at the worst entry, where one was computed: the third of the three values."""

    causes: list[Cause] = field(default_factory=list)
    note: str = ""
    """What is known where no cause is named, or what excuses a difference (a kink)."""

    differs: np.ndarray[Any, np.dtype[np.bool_]] | None = None
    """Where the entries are wrong; None where shapes differ or nothing does. For the picture, not in the JSON."""

    error: np.ndarray[Any, np.dtype[np.float64]] | None = None
    """yours - reference, for the picture."""

    def to_json(self) -> dict[str, Any]:
        """The documented form."""
        return {
            "name": self.name,
            "verdict": self.verdict,
            "line": self.line,
            "shape": list(self.shape),
            "rounding_units": _number(self.rounding_units),
            "relative_error": _number(self.relative_error),
            "worst_index": None if self.worst_index is None else list(self.worst_index),
            "yours": _number(self.yours),
            "reference": _number(self.reference),
            "reference_kind": self.reference_kind,
            "difference_quotient": _number(self.difference_quotient),
            "note": self.note,
            "causes": [
                {"id": cause.id, "text": cause.text, "formula": cause.formula, "certain": cause.certain}
                for cause in self.causes
            ],
        }


@dataclass
class Report:
    """What was found in one file, network or pair of functions. Truthy when everything is right."""

    file: str
    verdict: Verdict
    reason: str = ""
    convention: str = ""
    quantities: list[Quantity] = field(default_factory=list)
    unmatched: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return self.verdict == "right"

    def __str__(self) -> str:
        from torchbasics.check.output.terminal import text

        return text(self)

    def _repr_html_(self) -> str:
        from torchbasics.check.output.page import fragment

        return fragment(self)

    @property
    def wrong(self) -> Iterator[Quantity]:
        """The quantities that are wrong, in the order of the backward sweep: the first is where it goes wrong."""
        return (quantity for quantity in self.quantities if quantity.verdict == "wrong")

    def to_json(self) -> dict[str, Any]:
        """The documented form of one file."""
        return {
            "file": self.file,
            "verdict": self.verdict,
            "reason": self.reason,
            "convention": self.convention,
            "notes": self.notes,
            "unmatched": self.unmatched,
            "quantities": [quantity.to_json() for quantity in self.quantities],
        }


def _number(value: float | None) -> float | str | None:
    if value is None or math.isfinite(value):
        return value
    return str(float(value))
