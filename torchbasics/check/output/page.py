"""Reports as HTML that needs nothing else: no network, no scripts, light or dark as the reader has it."""

import base64
from collections.abc import Sequence
from html import escape

from torchbasics.check.output.picture import Layout, cells, png
from torchbasics.check.output.style import CSS
from torchbasics.check.output.terminal import (
    disagreement,
    headline,
    notes_on_right,
    one_line,
    row,
    tally,
    values,
    verdict,
    why,
)
from torchbasics.check.report import Quantity, Report
from torchbasics.page import CSS as PAGE_CSS
from torchbasics.page import badge, document

PROGRAM = "torchbasics check"

_HEADS = ("quantity", "verdict", "rounding", "relative error", "shape", "line")


def page(reports: Sequence[Report]) -> str:
    """One page for all of them."""
    contents = _contents(reports) if len(reports) > 1 else ""
    sections = "".join(_section(report, k, opened=len(reports) <= 10) for k, report in enumerate(reports))
    title = f"{PROGRAM}: {tally(reports)}"
    return document(PROGRAM, title, CSS, f"<h1>{PROGRAM}</h1>\n{contents}\n{sections}")


def fragment(report: Report) -> str:
    """One report, for a notebook."""
    return f'<style>{PAGE_CSS}{CSS}</style><div class="torchbasics-page"><main>{_body(report)}</main></div>'


def _contents(reports: Sequence[Report]) -> str:
    rows = "".join(
        f'<tr><td><a href="#file{k}">{_said(report.file)}</a></td><td>{badge(report.verdict)}</td>'
        f"<td>{escape(headline(report))}</td></tr>"
        for k, report in enumerate(reports)
    )
    return f'<p class="tally">{escape(tally(reports))}</p><div class="wide"><table class="files">{rows}</table></div>'


def _section(report: Report, k: int, *, opened: bool) -> str:
    # A link to what is inside opens the whole.
    return (
        f"<details{' open' if opened else ''}><summary>{badge(report.verdict)} {_said(report.file)}</summary>"
        f'<div id="file{k}">{_body(report, titled=False)}</div></details>'
    )


def _body(report: Report, *, titled: bool = True) -> str:
    title = f"<h2>{badge(report.verdict)} {_said(report.file)}</h2>" if titled else ""
    remarks = [report.convention and f"convention: {report.convention}", *report.notes]
    remarks += notes_on_right(report)
    if report.unmatched:
        remarks.append(f"belongs to no quantity of the forward: {', '.join(report.unmatched)}")
    if report.verdict != "unchecked":
        remarks.append(report.reason)
    said = "".join(f"<li>{_said(remark)}</li>" for remark in remarks if remark)
    return (
        f'{title}<p class="overall {report.verdict}">{escape(verdict(report))}</p>'
        f"{_table(report)}{''.join(_card(quantity) for quantity in report.wrong)}"
        f"{f'<ul>{said}</ul>' if said else ''}"
    )


def _table(report: Report) -> str:
    if not report.quantities:
        return ""
    heads = "".join(f"<th>{head}</th>" for head in _HEADS)
    rows = "".join(
        f'<tr class="{quantity.verdict}">'
        + "".join(f"<td>{badge(cell) if k == 1 else escape(cell)}</td>" for k, cell in enumerate(row(quantity)))
        + "</tr>"
        for quantity in report.quantities
    )
    return f'<div class="wide"><table class="quantities"><tr>{heads}</tr>{rows}</table></div>'


def _card(quantity: Quantity) -> str:
    line = "" if quantity.line is None else f'<span class="line">line {quantity.line}</span>'
    three = "".join(f"<div><dt>{_said(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in values(quantity))
    sentences = "".join(f'<p class="cause">{escape(sentence)}</p>' for sentence in why(quantity))
    return (
        f'<section class="card"><h3>{escape(disagreement(quantity))}{line}</h3>'
        f"<dl>{three}</dl>{sentences}{_figure(quantity)}</section>"
    )


def _figure(quantity: Quantity) -> str:
    pixels = cells(quantity)
    if pixels is None:
        return ""
    assert quantity.differs is not None
    layout = Layout(quantity.differs.shape)
    rows, columns = pixels.shape[:2]
    # Square cells, but for long and narrow arrays, whose short side would be too thin to see.
    side = min(600 / columns, 320 / rows, 26.0)
    width, height = columns * max(side, min(600 / columns, 6.0)), rows * max(side, min(320 / rows, 6.0))
    source = base64.b64encode(png(pixels)).decode()
    count = f"{int(quantity.differs.sum()):,} of {quantity.differs.size:,} entries are wrong"
    ticks, left, top = _ticks(layout, width, height)
    return (
        f'<figure><svg viewBox="{-left} {-top} {left + width + 4:g} {top + height + 4:g}"'
        f' width="{left + width + 4:g}" role="img" aria-label="{_said(quantity.name)}: {count}">'
        f'<image href="data:image/png;base64,{source}" width="{width:g}" height="{height:g}"'
        f' preserveAspectRatio="none"/>{ticks}{_ring(quantity, layout, width / columns, height / rows)}</svg>'
        f'<figcaption><span class="key large">too large</span><span class="key small">too small</span>'
        f'<span class="key infinite">not finite</span><span class="key worst">worst</span><br>'
        f"{count}; {escape(layout.words())}</figcaption></figure>"
    )


def _ticks(layout: Layout, width: float, height: float) -> tuple[str, int, int]:
    """The first and the last index of each axis of a vector or matrix, and the room they take at the left and the top.

    Between tiles there is no room; the caption says what runs where.
    """
    if len(layout.shape) > 2:
        return "", 4, 4
    rows, columns = layout.tile
    left = 4
    ticks = []
    if len(layout.shape) == 2:
        left = 8 + 7 * len(str(rows - 1))
        ticks.append('<text x="-5" y="9" text-anchor="end">0</text>')
        if rows > 1:
            ticks.append(f'<text x="-5" y="{height - 1:g}" text-anchor="end">{rows - 1}</text>')
    ticks.append('<text x="1" y="-5">0</text>')
    if columns > 1:
        ticks.append(f'<text x="{width:g}" y="-5" text-anchor="end">{columns - 1}</text>')
    return "".join(ticks), left, 17


def _ring(quantity: Quantity, layout: Layout, width: float, height: float) -> str:
    if quantity.worst_index is None or len(quantity.worst_index) != len(layout.shape):
        return ""
    row, column = layout.cell(quantity.worst_index)
    w, h = max(width, 6.0), max(height, 6.0)
    return (
        f'<rect class="ring" x="{(column + 0.5) * width - w / 2:g}" y="{(row + 0.5) * height - h / 2:g}"'
        f' width="{w:g}" height="{h:g}" rx="2"/>'
    )


def _said(words: str) -> str:
    return escape(one_line(words))
