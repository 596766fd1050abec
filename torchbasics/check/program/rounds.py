"""A loop over examples gives a dz for each: one line of the report for those that are alike, not two hundred."""

from collections.abc import Iterable
from itertools import groupby

from torchbasics.check.program.matching import Claim
from torchbasics.check.report import Quantity


def together(judged: Iterable[tuple[Claim, Quantity]]) -> list[Quantity]:
    """The quantities in their order; numbers from one line of a loop, judged alike for the same first cause, as one.

    It is the round that is furthest off, under a name such as dz(1..10).
    """
    found: list[Quantity] = []
    for key, group in groupby(judged, _kind):
        quantities = [quantity for _, quantity in group]
        if key is None or len(quantities) == 1:
            found += quantities
            continue
        worst = max(quantities, key=lambda quantity: (quantity.rounding_units, quantity.relative_error))
        names = [quantity.name for quantity in quantities]
        base = names[0].rsplit("(", 1)[0]
        numbers = sorted(int(name.rsplit("(", 1)[1].rstrip(")")) for name in names)
        if worst.verdict == "wrong":
            worst.note = f"{f'{worst.note}; ' if worst.note else ''}the same in {len(names)} rounds of a loop"
        worst.name = f"{base}({numbers[0]}..{numbers[-1]})"
        found.append(worst)
    return found


def _kind(judged: tuple[Claim, Quantity]) -> tuple[object, ...] | None:
    claim, quantity = judged
    alike = claim.mirrored is not None and quantity.shape == () and quantity.name.endswith(")")
    return (quantity.line, quantity.verdict, [cause.id for cause in quantity.causes[:1]]) if alike else None
