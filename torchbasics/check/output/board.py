"""Reports in TensorBoard: the table as text, rounding units in the order of the sweep, pictures of what is wrong."""

from collections.abc import Sequence
from pathlib import Path

from torch.utils.tensorboard.writer import SummaryWriter

from torchbasics.check.output.picture import Layout, cells, on_white
from torchbasics.check.output.terminal import disagreement, one_line, row, values, verdict, why
from torchbasics.check.report import Quantity, Report
from torchbasics.errors import InputError


def refuse_used(folder: Path) -> None:
    """Raise `InputError` unless the folder is new or empty: two runs in one folder are one tangle in TensorBoard."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"--run {folder} is a file; expected a folder that is new or empty")
    if folder.is_dir() and any(folder.iterdir()):
        raise InputError(f"--run {folder} is not empty; expected a folder that is new or empty")


def write(reports: Sequence[Report], folder: Path) -> None:
    """Write one report to the folder itself, several to a folder each in it, which TensorBoard shows as runs."""
    refuse_used(folder)
    width = len(str(len(reports) - 1))
    for k, report in enumerate(reports):
        # Numbered, since students' files share names; the number also keeps a name from leading out of the folder.
        run = folder if len(reports) == 1 else folder / f"{k:0{width}}-{Path(one_line(report.file)).name[:80]}"
        with SummaryWriter(str(run)) as writer:
            _write(report, writer)


def _write(report: Report, writer: SummaryWriter) -> None:
    writer.add_text("report", _markdown(report))
    for step, quantity in enumerate(report.quantities):
        writer.add_scalar("rounding_units", quantity.rounding_units, step)
        pixels = cells(quantity)
        if pixels is not None:
            writer.add_image(f"wrong_entries/{quantity.name}", on_white(pixels), dataformats="HWC")


def _markdown(report: Report) -> str:
    lines = [f"**{_plain(report.file)}**", "", _plain(verdict(report)), ""]
    if report.quantities:
        lines += ["| step | quantity | verdict | rounding | relative | shape | line |", "|---|---|---|---|---|---|---|"]
        lines += [
            "| " + " | ".join([str(step), *map(_plain, row(quantity))]) + " |"
            for step, quantity in enumerate(report.quantities)
        ]
    for quantity in report.wrong:
        lines += ["", f"**{_plain(disagreement(quantity))}**", "", *(f"- {_plain(said)}" for said in _said(quantity))]
    notes = [report.convention and f"convention: {report.convention}", *report.notes]
    lines += ["", *(f"- {_plain(note)}" for note in notes if note)]
    return "\n".join(lines)


def _said(quantity: Quantity) -> list[str]:
    three = ", ".join(f"{name} {value}" for name, value in values(quantity))
    picture = [] if quantity.differs is None else [f"the picture: {Layout(quantity.differs.shape).words()}"]
    return [*([three] if three else []), *why(quantity), *picture]


def _plain(words: str) -> str:
    """Words that Markdown leaves as they are."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>()#+!|~" else c for c in one_line(words))
