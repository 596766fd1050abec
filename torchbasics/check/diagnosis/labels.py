"""The quantities of a forward sweep that can be parts of a formula, each array once, and what comes before what."""

from collections import Counter
from collections.abc import Mapping

import numpy as np

from torchbasics.check.diagnosis import lookup
from torchbasics.check.diagnosis.edges import Edge, series
from torchbasics.check.step import Array, Step

# A name that more values than this have is one of a loop over entries, not over layers or time steps.
CROWD = 24


class Labels:
    """The arrays of one step by label, in the order of the sweep."""

    def __init__(self, step: Step) -> None:
        self.step = step
        self.sink = self._sink()
        self.values = self._distinct()
        self.order = {label: i for i, label in enumerate(self.values)}
        self.everything = {**self.values, **self._other_locals()}
        self.synthetic: dict[str, list[Edge]] = {}
        """The edges into quantities that have no name in the program."""

        self._traced: bool | None = None

    def _sink(self) -> str:
        """The label of the cost: J, or the user's own name of the same number where that is what derivatives go by."""
        step = self.step
        J = step.forward.get("J")
        same = [
            k for k, v in step.forward.items() if J is not None and v.size == 1 and float(v.reshape(-1)[0]) == float(J)
        ]
        for label in ("J", *same):
            start = np.asarray(np.ones_like(step.forward.get(label, np.ones(()))))
            for end in reversed(list(step.forward)):
                if end != label and step.forward[end].size > 1 and step.vjp(label, end, start) is not None:
                    return label
        return "J"

    def claimed(self, label: str) -> bool:
        """Whether the user has a gradient of a quantity."""
        return f"d{label}" in self.step.backward and label != self.step.of

    def _distinct(self) -> dict[str, Array]:
        """The forward values without second names of the same array, which would count an edge twice."""
        step = self.step
        kept: dict[str, Array] = {}
        crowds = self._crowds()
        first = [step.of, *(label for label in step.forward if f"d{label}" in step.backward)]
        for label in (*first, *step.forward):
            value = step.forward.get(label)
            if value is None:
                continue
            crowded = label not in first and (series(label), value.shape) in crowds
            if label in kept or crowded or label in (self.sink, "J") or value.size == 0 or not np.isfinite(value).all():
                continue
            same = (other for other in kept.values() if other.shape == value.shape and value.size > 1)
            if label in first or not any((other == value).all() for other in same):
                kept[label] = value
        return {label: kept[label] for label in step.forward if label in kept}

    def _crowds(self) -> set[tuple[str, tuple[int, ...]]]:
        """Names that a loop gave to so many values, such as every window of a convolution, that none is a quantity."""
        counts = Counter((series(label), value.shape) for label, value in self.step.forward.items())
        return {name for name, count in counts.items() if count > CROWD}

    def _other_locals(self) -> dict[str, Array]:
        """The arrays that are no quantities; of two of one name the one that can be a mask: D1 = D1 < keep_prob."""
        locals_ = self.step.locals
        return {k: v for k, v in locals_.items() if k not in self.values or np.isin(v, (0, 1)).all()}

    def before(self, label: str) -> dict[str, Array]:
        """The quantities that came before one."""
        return {key: value for key, value in self.values.items() if self.order[key] < self.order[label]}

    def leaves(self) -> set[str]:
        """The quantities that nothing which has a name goes into, such as parameters; all that come first."""
        step, found = self.step, set[str]()
        for label, value in step.forward.items():
            if any(step.vjp(label, leaf, np.ones_like(value)) is not None for leaf in found):
                break
            found.add(label)
        return found

    def depends(self, label: str) -> bool:
        """Whether a quantity is computed from `of`, as far as the checker can tell."""
        step = self.step
        if self._traced is None:
            self._traced = any(
                step.vjp(k, step.of, np.ones_like(v)) is not None for k, v in reversed(self.values.items())
            )
        return not self._traced or step.vjp(label, step.of, np.ones_like(self.values[label])) is not None

    def with_slices(self, Q: Array, values: Mapping[str, Array]) -> dict[str, Array]:
        """The values and, of those with time steps, each step's."""
        found = dict(values)
        for name, value in values.items() if Q.ndim == 2 else ():
            if value.ndim != 3 or name not in self.values:
                continue
            for axis in range(3):
                a_head = axis == 0 and name[:1] in "Ww"
                if self.step.m not in value.shape[:axis] + value.shape[axis + 1 :] and not a_head:
                    continue
                for t in range(value.shape[axis]):
                    at = ", ".join(str(t) if other == axis else ":" for other in range(3))
                    slice_name = f"{name}[{at}]"
                    step_value = np.asarray(value.take(t, axis))
                    if any(other.shape == step_value.shape and (other == step_value).all() for other in found.values()):
                        continue
                    found[slice_name] = step_value
                    self.synthetic[slice_name] = [lookup.slice_edge(slice_name, name, value.shape, axis, t)]
        return found
