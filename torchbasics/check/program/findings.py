"""What was judged, as lines of a report: the worst entry, three values for it, the likely cause, what excuses it."""

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from torchbasics.check.diagnosis import diagnose
from torchbasics.check.program.aside import comparable
from torchbasics.check.program.differences import STEP, Differences
from torchbasics.check.program.find import is_gradient, quantity_names
from torchbasics.check.program.judge import LIMIT, Judged
from torchbasics.check.program.recorded import Run
from torchbasics.check.program.sweep import Scale, Swept, paths, vjp
from torchbasics.check.program.tape import Value, plain
from torchbasics.check.program.trace import Trace
from torchbasics.check.report import Cause, Quantity
from torchbasics.check.step import Array, Step

KINK_ENTRIES = 200
"""At most so many wrong entries are looked at for a kink; if they are all at one, so are the others."""


@dataclass
class Findings:
    """Turns judged claims into quantities."""

    run: Run
    scale: Scale
    swept: Swept | None
    trace: Trace | None
    diagnosed: dict[tuple[int, str], str] = field(default_factory=dict)
    """(line, name without its round) -> the first round whose cause was found: it stands for the others."""

    flows: dict[tuple[int, int, bytes], Array | None] = field(default_factory=dict)
    """What flows from one value to another for a cotangent, which the causes of many quantities ask for."""

    def quantity(self, judged: Judged) -> Quantity:
        """One line of the report."""
        arrived = judged.arrived
        claim, yours, reference = arrived.claim, arrived.yours, arrived.reference
        label = f"d{self.run.forward.labels[arrived.target]}"
        if claim.value in self.run.second:
            return self._not_zeroed(judged, label)
        if not comparable(yours, reference):
            return self._of_other_shape(judged, label)
        yours = yours.reshape(reference.shape)
        largest = float(np.abs(reference).max(initial=0.0))
        difference = np.abs(yours - reference)
        relative = (
            float(np.nanmax(difference, initial=0.0) / largest) if largest else float(difference.max(initial=0.0))
        )
        wrong = np.asarray(judged.units > LIMIT)
        # Of wrong entries the one that is furthest off tells most, of right ones the one that rounding explains least.
        far = np.where(np.isfinite(difference), difference, np.inf)
        worst = _largest(np.where(wrong, far, -1.0) if wrong.any() else judged.units)
        found = Quantity(
            label, "right", claim.line, yours.shape, float(judged.units.max(initial=0.0)), relative, worst,
            float(yours[worst]) if worst is not None else None,
            float(reference[worst]) if worst is not None else None,
            judged.kind,
        )  # fmt: skip
        if arrived.inner is not None:
            found.note = (
                "it is the gradient of what the value is made from, its pre-activation, not of the value itself"
            )
        if judged.right:
            return found
        quotient, excuse = self._by_differences(arrived.target, yours, wrong, worst)
        found.difference_quotient = quotient
        if excuse:
            found.note, found.rounding_units = excuse, float(judged.units[~wrong].max(initial=0.0))
            return found
        found.verdict = "wrong"
        found.differs, found.error = wrong, yours - reference
        round_of = (claim.line, label.split("(")[0])
        if "(" in label and round_of in self.diagnosed:
            found.note = f"as {self.diagnosed[round_of]}, another round of the same loop"
        else:
            found.causes, found.note = self._diagnosed(judged, label, yours)
            if found.causes:
                self.diagnosed[round_of] = label
        if claim.name.startswith("d") and re.search(r"\d", claim.name) and claim.name != label:
            found.note = f"{found.note}{'; ' if found.note else ''}called {claim.name} in the program"
        return found

    def failed(self) -> Quantity:
        """The quantity in whose line the backward sweep raised."""
        run = self.run
        label, shape = self._assigned_at(run.failed_at)
        return Quantity(
            label, "wrong", run.failed_at, shape, float("inf"), float("inf"), None, None, None, "autograd",
            note=f"{run.plan.backward} fails here: {run.failure}",
            causes=self._cause_of_failure(label),
        )  # fmt: skip

    def _cause_of_failure(self, label: str) -> list[Cause]:
        if "ValueError" not in self.run.failure or not re.search(
            r"shapes?|aligned|broadcast|mismatch", self.run.failure
        ):
            return []
        formula = f"{label} has the shape of {label[1:]}"
        text = (
            f"the factors of {label} do not fit: a transpose is missing or in the wrong place, or * stands for a "
            "product of matrices"
        )
        return [Cause("transpose_missing", text, formula, False)]

    def _assigned_at(self, line: int | None) -> tuple[str, tuple[int, ...]]:
        for node in ast.walk(self.run.program.tree):
            if isinstance(node, ast.Assign | ast.AugAssign) and node.lineno <= (line or 0) <= (node.end_lineno or 0):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                for part in (part for target in targets for part in ast.walk(target)):
                    name = getattr(part, "id", None) or (part.value if isinstance(part, ast.Constant) else None)
                    if isinstance(name, str) and is_gradient(name):
                        for base in quantity_names(name):
                            named = self.run.forward.named(base)
                            if named:
                                left = [v for v in named if v.index not in {c.candidates[0] for c in self.run.claims}]
                                value = (left or named)[-1]
                                return f"d{self.run.forward.labels[value.index]}", value.content.shape
                        return name, ()
        return str(self.run.plan.backward), ()

    def _not_zeroed(self, judged: Judged, label: str) -> Quantity:
        claim, first = judged.arrived.claim, judged.arrived.yours
        second = self.run.second[claim.value]
        difference = np.abs(second - first) if second.shape == first.shape else np.full(first.shape, np.inf)
        worst = _largest(difference)
        # Zeroed or not, the first call adds to nothing; so the second gives twice what the first gave.
        twice = np.allclose(second, 2 * first, rtol=1e-6) if second.shape == first.shape else False
        called = f"{label} is another one when {self.run.plan.called[-1]} is called a second time on equal values"
        cause = Cause(
            "gradients_not_zeroed",
            f"{called}: it starts from what the first call left",
            f"{label} starts from zeros in every call",
        )
        return Quantity(
            label, "wrong", claim.line, first.shape, float("inf"),
            float(difference.max(initial=0.0) / max(np.abs(first).max(initial=0.0), 1e-300)), worst,
            float(second[worst]) if worst is not None and second.shape == first.shape else None,
            float(first[worst]) if worst is not None else None, "autograd",
            causes=[cause] if twice else [],
            note="" if twice else f"{called}: it draws random numbers, or keeps something from call to call",
            differs=difference > 0, error=second - first if second.shape == first.shape else None,
        )  # fmt: skip

    def _of_other_shape(self, judged: Judged, label: str) -> Quantity:
        arrived = judged.arrived
        causes, note = self._diagnosed(judged, label, arrived.yours)
        shape = f"{label} has shape {arrived.yours.shape}; {label[1:]} has shape {arrived.reference.shape}"
        return Quantity(
            label, "wrong", arrived.claim.line, arrived.yours.shape, float("inf"), float("inf"), None, None, None,
            judged.kind, causes=causes, note=f"{shape}{'; ' if note else ''}{note}",
        )  # fmt: skip

    def _by_differences(
        self, target: int, yours: Array, wrong: np.ndarray[Any, np.dtype[np.bool_]], worst: tuple[int, ...] | None
    ) -> tuple[float | None, str]:
        """The central difference at the worst entry; and what excuses the wrong entries, if each lies at a kink."""
        value = self.run.recording.values[target]
        if worst is None:
            return None, ""
        try:
            differences = self.differences()
            quotient = self._combined(differences.at(value, worst)[0], target)
            entries = [tuple(int(i) for i in entry) for entry in np.argwhere(wrong)]
            step = max(1, len(entries) // KINK_ENTRIES)
            excused = all(self._at_kink(differences, value, entry, float(yours[entry])) for entry in entries[::step])
        except Exception:
            # The differences are a second witness; a program that fails when it is moved has none.
            return None, ""
        if not excused:
            return quotient, ""
        return quotient, (
            f"{len(entries)} of {yours.size} entries lie at a kink (a ReLU at exactly 0, a tie of a maximum), where "
            "any value between the one-sided derivatives is right"
        )

    def _at_kink(self, differences: Differences, value: Value, entry: tuple[int, ...], yours: float) -> bool:
        _, above, below = (self._combined(row, value.index) for row in differences.at(value, entry))
        _, nearer, under = (self._combined(row, value.index) for row in differences.at(value, entry, STEP / 8))
        size = max(abs(above), abs(below))
        # At a kink the two sides differ however small the step; by curvature they differ in proportion to it.
        if abs(above - below) <= 1e-3 * size or abs(nearer - under) <= 0.5 * abs(above - below):
            return False
        return min(above, below) - 1e-3 * size <= yours <= max(above, below) + 1e-3 * size

    def differences(self) -> Differences:
        """Central differences with the user's own gradients held."""
        run = self.run
        held = {
            target: content.reshape(run.recording.values[target].content.shape)
            for target, content in self._settled().items()
            if content.size == run.recording.values[target].content.size
            # What a cell hands on moves on within the cell: it can't be held there.
            and (self.swept is None or target not in self.swept.within)
        }
        return Differences(run.program, run.plan, run.inputs, run.recording, held, run.upstream)

    def _settled(self) -> dict[int, Array]:
        if self.swept is None:
            values = self.run.recording.values
            return {claim.candidates[0]: values[claim.value].content for claim in self.run.claims}
        return {a.target: a.yours for a in self.swept.arrived if a.inner is None}

    def _combined(self, parts: Array, target: int) -> float:
        return float(parts[0] + parts[1] / self.scale.factor) * self.scale.of(target)

    def _diagnosed(self, judged: Judged, label: str, yours: Array) -> tuple[list[Cause], str]:
        try:
            return diagnose(self._step(judged, label, yours))
        except Exception as error:
            # The verdict stands without a cause.
            return [], f"no cause was found ({type(error).__name__})"

    def _step(self, judged: Judged, label: str, yours: Array) -> Step:
        run, target = self.run, judged.arrived.target
        values, labels = run.recording.values, run.forward.labels
        forward = {labels[index]: values[index].content for index in sorted(labels, key=lambda i: (values[i].cut, i))}
        if run.outcome.J is not None:
            forward["J"] = plain(run.outcome.J)
        settled = self._settled()
        backward = {f"d{labels[index]}": content for index, content in settled.items()}
        by_label = {label: index for index, label in labels.items()}

        def between(output: str, inner: str, cotangent: Array) -> Array | None:
            if self.trace is None or output not in by_label or inner not in by_label:
                return None
            key = by_label[output], by_label[inner], cotangent.tobytes()
            if key not in self.flows:
                self.flows[key] = vjp(self.trace, by_label[output], by_label[inner], cotangent)
            flow = self.flows[key]
            return None if flow is None else flow.copy()

        parts: Mapping[str, Array] = {}
        if self.trace is not None and self.swept is not None:
            split = paths(self.trace, target, self.swept, self.scale, run.upstream)
            parts = {labels.get(index, "J"): part for index, part in split.items()}
        return Step(
            label, label[1:], yours, judged.arrived.reference,
            judged.arrived.reference if judged.overall is None else judged.overall,
            # A reference by differences is no better than their error.
            run.rounding if self.trace is not None else max(run.rounding, 1e-10), run.m, self.scale.factor, forward,
            backward, run.recording.scalars, self._locals(), parts, judged.arrived.outer,
            frozenset() if self.swept is None else frozenset(labels[index] for index in self.swept.within), between,
        )  # fmt: skip

    def _locals(self) -> dict[str, Array]:
        """Arrays that the user named and that are neither of the forward sweep nor claims."""
        run = self.run
        claimed = {claim.value for claim in run.claims}
        found = {name: plain(value) for name, value in run.recording.others.items() if np.prod(np.shape(value))}
        for value in run.recording.values:
            if value.index not in claimed and value.index not in run.forward.labels and value.names:
                found.setdefault(value.names[0][0], value.content)
        return found


def _largest(values: Array) -> tuple[int, ...] | None:
    """Where the largest is; None where there is none."""
    if not values.size:
        return None
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(values)), values.shape))
