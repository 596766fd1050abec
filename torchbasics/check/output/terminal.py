"""A report for the terminal: one line per quantity in the order of the backward sweep, then what is wrong and why.

    quantity  verdict  rounding  relative  shape   line
    dZ2       right         0.9   1.2e-16  (1, 7)    39
    dW2       wrong     1.3e+15         6  (5, 7)    41

`rounding` is the worst entry's error over what rounding alone can do to it, `relative` the largest error over the
largest right entry.
"""

import math
from collections.abc import Iterable, Iterator, Sequence

from rich.console import Console
from rich.text import Text

from torchbasics.check.report import Cause, Quantity, Report, Verdict

STYLES: dict[Verdict, str] = {"right": "green", "wrong": "bold red", "unchecked": "bold yellow"}


def text(report: Report) -> str:
    """The report as plain lines of whatever length."""
    return "\n".join(" " * indent + line.plain for indent, line in _lines(report))


def show(report: Report, console: Console) -> None:
    """Print the report, wrapped to the console's width."""
    _print(_lines(report), console)


def show_table(reports: Sequence[Report], console: Console) -> None:
    """Print a row per file, under it where it first goes wrong or why it is unchecked, and how many are what."""
    _print(_table(reports), console)


def tally(reports: Sequence[Report]) -> str:
    """How many files are right, wrong and unchecked: "7 right, 2 wrong"."""
    counts = {verdict: sum(report.verdict == verdict for report in reports) for verdict in STYLES}
    return ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)


def headline(report: Report) -> str:
    """What to know of a file in one line: why it is unchecked, or where it first goes wrong; nothing if it is right."""
    first = next(report.wrong, None)
    if first is None:
        return "" if report.verdict == "right" else one_line(report.reason)
    line = "" if first.line is None else f", line {first.line}"
    return f"{one_line(first.name)}{line}: {why(first)[0]}"


def why(quantity: Quantity) -> list[str]:
    """The causes, a sentence each, with the formula where the sentence doesn't have it; or what is known instead."""
    sentences = [_cause(cause) for cause in quantity.causes]
    if quantity.note:
        sentences.append(one_line(quantity.note))
    return sentences or ["no mistake in the catalogue explains it"]


def values(quantity: Quantity) -> list[tuple[str, str]]:
    """What stands at the worst entry, by where it comes from, in as many digits as tell the values apart."""
    named = [("yours", quantity.yours), (quantity.reference_kind, quantity.reference)]
    if quantity.difference_quotient is not None:
        same = quantity.reference_kind == "central difference"
        named.append(("difference quotient" if same else "central difference", quantity.difference_quotient))
    digits = 4
    if quantity.yours is not None and quantity.reference is not None and quantity.yours != quantity.reference:
        while digits < 17 and f"{quantity.yours:.{digits - 1}e}" == f"{quantity.reference:.{digits - 1}e}":
            digits += 1
    return [(name, f"{value:#.{digits}g}") for name, value in named if value is not None]


def disagreement(quantity: Quantity) -> str:
    """With what it disagrees, and where most."""
    where = "" if quantity.worst_index is None else f", worst at {_tuple(quantity.worst_index)}"
    return f"{one_line(quantity.name)} disagrees with {one_line(quantity.reference_kind)}{where}"


def row(quantity: Quantity) -> tuple[str, str, str, str, str, str]:
    """Name, verdict, rounding units, relative error, shape and line."""
    return (
        one_line(quantity.name),
        quantity.verdict,
        units(quantity.rounding_units),
        f"{quantity.relative_error:.2g}",
        _tuple(quantity.shape),
        "" if quantity.line is None else str(quantity.line),
    )


def verdict(report: Report) -> str:
    """The last line."""
    if report.verdict == "unchecked":
        return f"could not be checked: {one_line(report.reason)}"
    right = sum(quantity.verdict == "right" for quantity in report.quantities)
    if report.verdict == "right":
        return f"right: {right} of {len(report.quantities)} quantities"
    first = next(report.wrong, None)
    if first is None:
        return f"wrong: {one_line(report.reason)}"
    wrong = len(report.quantities) - right
    return f"wrong: {wrong} of {len(report.quantities)} quantities, first {one_line(first.name)}"


def notes_on_right(report: Report) -> list[str]:
    """What is said of right quantities, once for all of which it is said."""
    names: dict[str, list[str]] = {}
    for quantity in report.quantities:
        if quantity.verdict == "right" and quantity.note:
            names.setdefault(quantity.note, []).append(quantity.name)
    return [f"{_listed(of)}: {note}" for note, of in names.items()]


def units(value: float | None) -> str:
    """Rounding units, short."""
    if value is None:
        return ""
    return f"{value:.1f}" if abs(value) < 1000 else f"{value:.1e}"


def one_line(words: str) -> str:
    """What a user's file has put into a name or a message, without what would end the line or move the cursor."""
    return "".join(c if c.isprintable() else " " if c.isspace() else "?" for c in words.strip())


def _print(lines: Iterable[tuple[int, Text]], console: Console) -> None:
    for indent, line in lines:
        # On a terminal too narrow to indent, what is said is worth more than how it looks.
        for part in line.wrap(console, max(console.width - indent, 20)) or [line]:
            part.rstrip()
            console.print(Text(" " * indent) + part, soft_wrap=True, highlight=False)


def _table(reports: Sequence[Report]) -> Iterator[tuple[int, Text]]:
    names = [one_line(report.file) for report in reports]
    width = max(map(len, [*names, "file"]))
    yield 0, Text(f"{'file':{width}}  {'verdict':9}  {'right':>7}  {'rounding':>8}", style="dim")
    for name, report in zip(names, reports, strict=True):
        right = sum(quantity.verdict == "right" for quantity in report.quantities)
        of = f"{right}/{len(report.quantities)}" if report.quantities else ""
        worst = units(max((quantity.rounding_units for quantity in report.quantities), default=None, key=_size))
        line = Text.assemble(f"{name:{width}}  ", (f"{report.verdict:9}", STYLES[report.verdict]))
        line.append(f"  {of:>7}  {worst:>8}")
        line.rstrip()
        yield 0, line
        if said := headline(report):
            yield 2, Text(said)
    yield 0, Text()
    yield 0, Text(tally(reports), style="bold")


def _lines(report: Report) -> Iterator[tuple[int, Text]]:
    """(indentation, line) for the whole report. `Text` takes no markup, so that [brackets] stay what they are."""
    yield 0, Text(one_line(report.file), style="bold")
    yield from _quantities(report)
    for quantity in report.wrong:
        yield 0, Text()
        yield from _block(quantity)
    remarks = [
        *map(one_line, notes_on_right(report)),
        *(one_line(note) for note in report.notes),
    ]
    if report.unmatched:
        remarks.append(f"belongs to no quantity of the forward: {', '.join(map(one_line, report.unmatched))}")
    if report.convention:
        remarks.append(f"convention: {one_line(report.convention)}")
    if report.reason and report.verdict != "unchecked":
        remarks.append(one_line(report.reason))
    if report.quantities or remarks:
        yield 0, Text()
    for remark in remarks:
        yield 0, Text(remark)
    yield 0, Text(verdict(report), style=STYLES[report.verdict])


def _quantities(report: Report) -> Iterator[tuple[int, Text]]:
    if not report.quantities:
        return
    heads = ("quantity", "verdict", "rounding", "relative", "shape", "line")
    rows = [row(quantity) for quantity in report.quantities]
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]

    def aligned(cells: Sequence[str]) -> list[str]:
        name, verdict, *numbers, shape, line = (
            cell.rjust(width) if k in (2, 3, 5) else cell.ljust(width)
            for k, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return [name, verdict, *numbers, shape, line]

    yield 0, Text("  ".join(aligned(heads)).rstrip(), style="dim")
    for quantity, cells in zip(report.quantities, rows, strict=True):
        name, verdict, *rest = aligned(cells)
        line = Text.assemble(name, "  ", (verdict, STYLES[quantity.verdict]), "  ", "  ".join(rest))
        line.rstrip()
        yield 0, line


def _block(quantity: Quantity) -> Iterator[tuple[int, Text]]:
    line = "" if quantity.line is None else f"   [line {quantity.line}]"
    yield 0, Text(disagreement(quantity) + line, style="bold")
    three = "   ".join(f"{one_line(name)} {value}" for name, value in values(quantity))
    yield 2, Text("   ".join(part for part in (three, f"shape {_tuple(quantity.shape)}") if part))
    for sentence in why(quantity):
        yield 2, Text(sentence)


def _cause(cause: Cause) -> str:
    sentence, formula = one_line(cause.text), one_line(cause.formula)
    if formula and "".join(formula.split()) not in "".join(sentence.split()):
        sentence += f"; it should be  {formula}"
    return sentence if cause.certain else f"perhaps: {sentence}"


def _listed(names: Sequence[str]) -> str:
    """The names; the rounds of a loop, dz(3), dz(2), dz(1), as dz(1..3)."""
    rounds: dict[str, list[int]] = {}
    for name in names:
        base, _, number = name.removesuffix(")").rpartition("(")
        if base and number.isdecimal() and name.endswith(")"):
            rounds.setdefault(base, []).append(int(number))
        else:
            rounds[name] = []
    found = []
    for base, numbers in rounds.items():
        low, high = min(numbers, default=0), max(numbers, default=0)
        if len(numbers) > 1 and sorted(numbers) == list(range(low, high + 1)):
            found.append(f"{base}({low}..{high})")
        else:
            found += [f"{base}({number})" for number in numbers] or [base]
    return ", ".join(found)


def _tuple(numbers: tuple[int, ...]) -> str:
    return f"({', '.join(map(str, numbers))}{',' if len(numbers) == 1 else ''})"


def _size(value: float) -> float:
    return math.inf if math.isnan(value) else value
