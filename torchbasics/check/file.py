"""One file, checked: read, executed, its functions found, each plan judged, all in one report."""

from pathlib import Path

from torchbasics.check.objects import check_objects
from torchbasics.check.options import Options
from torchbasics.check.program.find import Plan, find
from torchbasics.check.program.plans import check_plan
from torchbasics.check.program.recorded import Unchecked
from torchbasics.check.program.source import Program, load
from torchbasics.check.program.undisturbed import undisturbed
from torchbasics.check.report import Report, Verdict
from torchbasics.errors import InputError


def check_file(path: Path, options: Options) -> Report:
    """The report of a .py file or a notebook. What the user did wrong is in the report: `unchecked`, and why.

    The file is executed.
    """
    notes: list[str] = []
    try:
        with undisturbed():
            program = load(path)
            notes = program.notes
            reports = list(check_objects(program.namespace, path.stem, options))
            try:
                plans = find(program, options)
            except InputError:
                # A file of layers or networks needs no functions.
                if not reports:
                    raise
                plans = []
            reports += [(plan.title, _checked(program, plan, options)) for plan in plans]
    except InputError as error:
        return Report(str(path), "unchecked", "; ".join([str(error).removeprefix(f"{path}: "), *notes]))
    except SystemExit as error:
        return Report(str(path), "unchecked", f"it calls sys.exit({error.code!r}) when its functions run")
    report = reports[0][1] if len(reports) == 1 else _together(path, reports)
    report.file = str(path)
    report.notes = [*notes, *report.notes]
    return report


def _checked(program: Program, plan: Plan, options: Options) -> Report:
    try:
        return check_plan(program, plan, options)
    except (Unchecked, InputError) as reason:
        return Report(str(program.path), "unchecked", str(reason).removeprefix(f"{program.path}: "))


def _together(path: Path, reports: list[tuple[str, Report]]) -> Report:
    """Several plans of one file: every line says whose it is; one that is wrong makes the file wrong, and it is right
    only when all are."""
    verdicts = [report.verdict for _, report in reports]
    verdict: Verdict = "wrong" if "wrong" in verdicts else "unchecked" if "unchecked" in verdicts else "right"
    together = Report(str(path), verdict)
    together.reason = "; ".join(f"{title}: {report.reason}" for title, report in reports)
    together.convention = "; ".join(dict.fromkeys(report.convention for _, report in reports if report.convention))
    for title, report in reports:
        for quantity in report.quantities:
            quantity.name = f"{quantity.name} ({title})"
            together.quantities.append(quantity)
        together.unmatched += [f"{name} ({title})" for name in report.unmatched]
        together.notes += [f"{title}: {note}" for note in report.notes]
        if report.verdict == "unchecked":
            together.notes.append(f"{title} is unchecked: {report.reason}")
    return together
