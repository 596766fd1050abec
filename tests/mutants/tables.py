"""Tables for a terminal and for the README."""

from collections.abc import Sequence

from .trial import Tally, Trial

Row = tuple[str, Sequence[object]]


def table(columns: Sequence[str], rows: Sequence[Row], *, markdown: bool) -> str:
    """The first column to the left, the others to the right."""
    if markdown:
        lines = ["| " + " | ".join(columns) + " |", "|---|" + "---:|" * (len(columns) - 1)]
        return "\n".join(lines + ["| " + " | ".join([name, *map(str, values)]) + " |" for name, values in rows])
    first = max(len(columns[0]), *(len(name) for name, _ in rows)) + 1
    widths = [max(len(column) + 3, 8) for column in columns[1:]]
    lines = []
    for name, values in [(columns[0], columns[1:]), *rows]:
        cells = zip(values, widths, strict=True)
        lines.append(f"{name:<{first}}" + "".join(f"{value!s:>{width}}" for value, width in cells))
    return "\n".join(lines)


def of_trial(title: str, trial: Trial, order: Sequence[str], *, markdown: bool) -> str:
    """Rows in the catalogue's order, their sum, and the sum's shares."""
    rows: list[Row] = [(row, _counts(trial.rows[row])) for row in order if row in trial.rows]
    total = trial.total
    rows.append(("all", _counts(total)))
    rows.append(("", ("", *(f"{100 * part / total.mutants:.1f} %" for part in _counts(total)[1:]))))
    return table((title, "mutants", "found", "located", "named"), rows, markdown=markdown)


def _counts(tally: Tally) -> tuple[int, ...]:
    return tally.mutants, tally.found, tally.located, tally.named
