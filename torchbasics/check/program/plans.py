"""One plan of a file, from inputs to report."""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from torchbasics.check.options import Options
from torchbasics.check.program.aside import set_aside
from torchbasics.check.program.epsilon import without_guards
from torchbasics.check.program.find import Plan
from torchbasics.check.program.findings import Findings
from torchbasics.check.program.inputs import candidates
from torchbasics.check.program.judge import Judged, judge, scale_of, trace_of
from torchbasics.check.program.known import judge_forward
from torchbasics.check.program.matching import Claim
from torchbasics.check.program.moved import judge_by_differences
from torchbasics.check.program.recorded import NotRepeatable, Run, Unchecked, parameters, run
from torchbasics.check.program.rounds import together
from torchbasics.check.program.run import PARAMETERS, Missing
from torchbasics.check.program.source import Program, where_it_failed
from torchbasics.check.program.sweep import sweep
from torchbasics.check.program.tape import Parted, is_float, leaves, plain
from torchbasics.check.report import Report
from torchbasics.check.step import Array
from torchbasics.check.tracing.functions import Untraceable
from torchbasics.errors import InputError

PARAMETER = re.compile(r"(W|w|b|U|V|K|E|gamma|beta|theta|Theta|weights?|bias|kernel)(_?\w{0,2})")

REDRAWN = 4
"""So many times other inputs are drawn for a right program of which some units are dead."""

SMALL = 1e-4
"""What leaving 1e-8 out of log(A + 1e-8) may change, relatively."""

LAYOUTS = 5
"""At most so many layouts of drawn inputs are judged; the one that leaves least wrong is the program's."""


@dataclass
class _Checked:
    """A report, and what it can't tell."""

    report: Report
    blind: list[str]
    """Parameters of whose gradient some rows are zero, whatever stands downstream: behind a ReLU that is never on."""

    drawn: bool


def check_plan(program: Program, plan: Plan, options: Options) -> Report:
    """The report of one plan. Raises `InputError` or `Unchecked` where nothing can be said.

    Where a right program's drawn inputs leave a unit dead, others are drawn: a mistake in its row would not show.
    """
    checked = _first_that_fits(program, plan, options)
    for seed in range(options.seed + 1, options.seed + 1 + REDRAWN):
        if not (checked.drawn and checked.blind and checked.report):
            break
        with suppress(Unchecked, InputError):
            again = _first_that_fits(program, plan, replace(options, seed=seed))
            if again.report.verdict == "wrong" or (again.report and len(again.blind) < len(checked.blind)):
                checked = again
    if checked.blind and checked.report:
        checked.report.notes.append(
            f"rows of d{', d'.join(checked.blind)} are zero at these inputs: a mistake in them would not show"
        )
    return checked.report


def _first_that_fits(program: Program, plan: Plan, options: Options) -> _Checked:
    first: Exception | None = None
    best: _Checked | None = None
    judged = 0
    fits: str | None = None
    for inputs, how, kind in candidates(program, plan, options):
        if fits not in (None, kind):
            break
        try:
            ran = run(program, plan, inputs, options.seed)
            if kind == "binary" and _says_nothing(ran):
                continue
        except NotRepeatable:
            raise
        except Unchecked as reason:
            first = first or reason
            continue
        except Exception as error:
            first = first or error
            continue
        if ran.failure and best is not None:
            continue
        report, blind, flat = _but_for_guards(ran, how, options.seed, _report(ran, how))
        if flat and kind == "binary":
            continue
        if not ran.failure:
            # Where the backward fails, it may be that the labels are of another kind: classes, to index with.
            fits = kind
            judged += 1
        if best is None or _badness(report) < _badness(best.report):
            best = _Checked(report, blind, kind not in ("own", "at hand"))
        if report or judged == LAYOUTS:
            break
    if best is not None:
        return best
    raise _why(program, plan, first)


def _says_nothing(checked: Run) -> bool:
    """Whether some output is 1 for every example, as a softmax over a single class has it: no mistake shows in its
    gradients."""
    return any(plain(output).size > 1 and bool((plain(output) == 1).all()) for output in checked.outcome.outputs)


def _badness(report: Report) -> tuple[bool, int]:
    failed = any("fails here" in quantity.note for quantity in report.quantities)
    return (report.verdict == "unchecked" or failed, sum(1 for _ in report.wrong))


def _why(program: Program, plan: Plan, error: Exception | None) -> Exception:
    if isinstance(error, Missing):
        return Unchecked(f"{error}; give it in an inputs of the file, or its shape with --shape {error.argument}=5,4")
    if isinstance(error, Unchecked | InputError):
        return error
    if error is None:
        return Unchecked(f"no inputs for {plan.forward} could be made up; define an inputs in the file, or use --shape")
    return Unchecked(
        f"{plan.forward} fails on the inputs made up for it ({where_it_failed(error, program.path)}); "
        "define an inputs in the file, or say the shapes with --layers 5,4,1 or --shape W1=4,5"
    )


def _report(checked: Run, how: str) -> tuple[Report, list[str], bool]:
    """The report, the parameters that these inputs leave partly in the dark, and whether J answers to none at all."""
    report = Report(str(checked.program.path), "right", how, notes=[*checked.notes], unmatched=checked.unmatched)
    if not checked.claims and not checked.failure:
        raise Unchecked(_no_claims(checked))
    try:
        trace = trace_of(checked)
        scale, reading = scale_of(checked, trace)
        reading, aside = set_aside(checked, trace, scale, reading)
        judged, swept = judge(checked, trace, scale, reading)
        findings, flows = Findings(checked, scale, swept, trace), swept.gradients
        true = sweep(trace, [], {}, scale, checked.upstream).gradients
        flat = not any(true[index].any() for index in parameters(checked) if index in true)
    except (Untraceable, Parted) as reason:
        report.notes.append(f"judged by central differences, for it can't be traced: {reason}")
        try:
            judged, scale = judge_by_differences(checked)
        except Exception as error:
            failed = where_it_failed(error, checked.program.path)
            raise Unchecked(f"it can't be traced ({reason}), and fails a little beside its inputs ({failed})") from None
        findings, flows, flat, aside = Findings(checked, scale, None, None), {}, False, []
    report.quantities = together([(one.arrived.claim, findings.quantity(one)) for one in judged])
    if checked.failure:
        report.quantities.append(findings.failed())
    mistaken, said = judge_forward(checked)
    report.quantities = [*mistaken, *report.quantities]
    report.notes += said
    if any(report.wrong):
        report.verdict = "wrong"
    report.convention = _convention(checked, judged, scale.factor)
    report.notes += [*_overall(checked, judged), *_kept_back(checked, judged), *_aside(aside)]
    missing = _missing(checked, judged, flows)
    if missing and not checked.failure:
        says = f"no gradient is recognised for {', '.join(missing)}"
        if report.verdict == "right":
            report.verdict = "unchecked"
            report.reason = f"{says}: call them d{missing[0]}, or return them under such a key ({report.reason})"
        else:
            report.notes.append(says)
    return report, _blind(checked, flows), flat


def _but_for_guards(
    checked: Run, how: str, seed: int, said: tuple[Report, list[str], bool]
) -> tuple[Report, list[str], bool]:
    """What is said of the program without its log(A + 1e-8), where less is wrong then, and was wrong by a little."""
    report = said[0]
    if not any(quantity.relative_error <= SMALL for quantity in report.wrong):
        return said
    try:
        found = without_guards(checked.program)
        if found is None:
            return said
        without, guards = found
        again = _report(run(without, checked.plan, checked.inputs, seed), how)
    except Exception:
        # It needs them.
        return said
    if _badness(again[0]) >= _badness(report):
        return said
    most = max(quantity.relative_error for quantity in report.wrong if quantity.relative_error <= SMALL)
    again[0].notes.append(
        f"judged without {', '.join(guards)}, which the derivation leaves out; that changes it by {most:.1e} at most"
    )
    return again


def _blind(checked: Run, flows: Mapping[int, Array]) -> list[str]:
    """Parameters of whose gradient a row or a column is zero."""
    found = []
    for index in parameters(checked):
        flow = flows.get(index)
        if flow is not None and flow.ndim:
            axes = range(flow.ndim)
            lines = [np.abs(flow).sum(axis=tuple(a for a in axes if a != axis)) for axis in axes]
            if any(not line.all() for line in lines):
                found.append(checked.forward.labels.get(index, ""))
    return found


def _no_claims(checked: Run) -> str:
    names = sorted({label for label in checked.forward.labels.values() if len(label) < 12})
    found = f"; found {', '.join(checked.unmatched)}, which belong to none of them" if checked.unmatched else ""
    function = checked.plan.called[-1]
    return f"{function} has no gradient by name: looked for d{', d'.join(names[:12])}{found}"


def _convention(checked: Run, judged: list[Judged], factor: float) -> str:
    inner = [one.arrived for one in judged if one.arrived.target not in set(parameters(checked))]
    if not inner or checked.m == 1:
        return ""
    if factor == checked.m:
        return (
            f"dZ and dA are m dJ/dZ and m dJ/dA, the notes' convention (m = {checked.m}); dW and db are dJ/dW and dJ/db"
        )
    return "dZ and dA are dJ/dZ and dJ/dA, autograd's convention"


def _missing(checked: Run, judged: list[Judged], flows: Mapping[int, Array]) -> list[str]:
    """Parameters that J depends on and that have no gradient by name."""
    claimed = {one.arrived.target for one in judged}
    missing = []
    for index in parameters(checked):
        value = checked.recording.values[index]
        name = checked.forward.labels.get(index, "")
        inside = len(value.path) > 1 and PARAMETERS.fullmatch(str(value.path[0]))
        if index not in claimed and (inside or PARAMETER.fullmatch(name)) and flows.get(index, np.ones(1)).any():
            missing.append(name)
    return missing


def _overall(checked: Run, judged: list[Judged]) -> list[str]:
    """What the final gradients are worth."""
    inputs = {value.index for value in checked.recording.values if value.first < 0}
    final = [one for one in judged if one.arrived.target in inputs and one.overall is not None]
    mistaken = [one for one in judged if not one.right]
    if not mistaken or not final:
        return []
    labels = checked.forward.labels
    tolerance = 1e-6 if checked.rounding < 1e-10 else 1e-3
    # A final gradient that is wrong by itself is wrong however small its error is.
    lone = mistaken[0] if len(mistaken) == 1 else None
    wrong = [one for one in final if one is lone or not _right_overall(one, tolerance)]
    if wrong:
        return [f"final gradients that come out wrong: {', '.join(f'd{labels[one.arrived.target]}' for one in wrong)}"]
    cancel = ": the mistakes cancel" if len(mistaken) > 1 else ""
    return [f"the final gradients come out right all the same{cancel}"]


def _aside(claims: list[Claim]) -> list[str]:
    """What was not judged, by the names in the program."""
    if not claims:
        return []
    names = ", ".join(dict.fromkeys(claim.name for claim in claims))
    return [
        f"not judged: {names}, of what changes in a loop, so that there is more than one moment for its gradient; what "
        "is computed from it is judged by itself"
    ]


def _kept_back(checked: Run, judged: list[Judged]) -> list[str]:
    """Parameters' gradients that are computed and not returned, where others are."""
    returned = [plain(value) for _, value in leaves(checked.outcome.result) if is_float(value)]
    own = [one for one in judged if one.arrived.target in set(parameters(checked))]
    kept = [one for one in own if not any(np.array_equal(one.arrived.yours, value) for value in returned)]
    if checked.failure or len(kept) == len(own):
        return []
    labels = checked.forward.labels
    return [f"{checked.plan.called[-1]} doesn't return d{labels[one.arrived.target]}" for one in kept]


def _right_overall(judged: Judged, tolerance: float) -> bool:
    yours, overall = judged.arrived.yours, judged.overall
    if overall is None or (yours.shape != overall.shape and yours.size * overall.size != 1):
        return False
    return bool(
        np.abs(yours.reshape(overall.shape) - overall).max(initial=0) <= tolerance * np.abs(overall).max(initial=0)
    )
