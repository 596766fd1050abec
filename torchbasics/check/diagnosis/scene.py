"""A step with the ways that its gradient takes to where it comes from."""

import re

import numpy as np

from torchbasics.check.diagnosis.edges import agree, coefficient
from torchbasics.check.diagnosis.recognise import Graph
from torchbasics.check.diagnosis.regularisation import penalty_text
from torchbasics.check.diagnosis.ways import Chain
from torchbasics.check.step import Array, Step

# Characters of a formula that a reader still takes in.
LONGEST = 160


class Scene:
    """A step, what its forward sweep was recognised as, and the ways from the quantity to each frontier."""

    def __init__(self, step: Step) -> None:
        self.step = step
        self.graph = Graph(step)
        self.chains: list[Chain] = []
        self.s = 1.0
        self.penalty = np.zeros_like(step.right)
        """The part of the right value that is parallel to `of`: the regularisation's."""

        # Which output the cost takes decides how its activation's gradient is written: it has to be known first.
        self.graph.cost_edges()
        ends = [Chain(step, self.graph, end) for end in self._ends()]
        found = [(chain, whole) for chain in ends if (whole := self._whole(chain)) is not None]
        if not (found and self._settle(found)):
            for chain, whole in found:
                part = step.paths.get(chain.frontier)
                if part is not None and part.any():
                    self._settle([(chain, whole)], part)
        if not self.penalty.any():
            self._split_penalty()

    def _ends(self) -> list[str]:
        """Where the gradient may come from: what the user has a gradient of, and J."""
        graph, of = self.graph, self.step.of
        later = [
            label for label in graph.values if graph.claimed(label) and graph.order[label] > graph.order.get(of, -1)
        ]
        return [*later, graph.sink]

    def _whole(self, chain: Chain) -> Array | None:
        try:
            whole = chain.gradient(self.step.of)
        except ValueError:
            return None
        return whole if whole is not None and whole.shape == self.step.right.shape and whole.any() else None

    def _settle(self, found: list[tuple[Chain, Array]], part: Array | None = None) -> bool:
        """Take the chains if they come to the right value, or to one part of it, but for a multiple of `of` itself."""
        part = self.step.right if part is None else part
        total = np.asarray(sum(whole for _, whole in found))
        for s in (1.0, 1 / self.step.convention):
            # This decides on a structure, not on a mistake: cancellation may cost some digits.
            same = agree(part, s * total, 100 * self.step.rounding)
            if same or self.parallel(part - s * total, self.step.forward[self.step.of]):
                self.s = s
                self.penalty = self.penalty if same else part - s * total
                self.chains += [chain for chain, _ in found]
                return True
        return False

    def carries(self, frontier: str = "") -> bool:
        """Whether `of` is a state that a recurrence takes on to `frontier`, or to wherever it goes."""
        edges = [edge for chain in self.chains for edge in chain.edges if edge.input == self.step.of]
        return any(edge.kind == "carry" and edge.output.endswith(frontier) for edge in edges)

    def _split_penalty(self) -> None:
        step = self.step
        for part in step.paths.values() if len(step.paths) > 1 else ():
            if self.parallel(part, step.forward[step.of]):
                self.penalty = part

    def parallel(self, values: Array, direction: Array) -> bool:
        """Whether values = k direction for some k other than 0, and it isn't so by having one entry."""
        if values.shape != direction.shape or values.size < 2 or not direction.any():
            return False
        k = coefficient(values, direction)
        scale = float(np.abs(self.step.right).max())
        if abs(k) * np.abs(direction).max() <= 1e5 * self.step.rounding * scale:
            return False
        return agree(values, k * direction, self.step.rounding, scale)

    @property
    def magnitude(self) -> float:
        """The size of the terms that the gradient is made of."""
        terms = [np.abs(chain.cotangent).max() * abs(self.s) for chain in self.chains if chain.cotangent.size]
        return float(max([np.abs(self.step.right).max(initial=0.0), *terms]))

    def formula(self) -> str:
        """What the gradient should be, in the notes' symbols; without the right-hand side if nothing was recognised."""
        step = self.step
        if step.right.size == 1 and "(" in step.of:
            # In a loop over examples many numbers are alike: whatever formula gives this one, it may be by chance.
            return f"{step.name} = dJ/d{step.of}"
        front = "" if abs(self.s - 1) < 1e-12 else "1/m " if step.convention == step.m else f"{self.s:.4g} "
        written = [chain.written(step.of) for chain in self.chains]
        known = sum(self.s * whole for chain in self.chains if (whole := self._whole(chain)) is not None)
        if not agree(step.right, known + self.penalty, step.rounding):
            written.append(self._unwritten())
        if len(written) > 3:
            written = [written[0], "...", written[-1]]
        if sum(len(text) for text in written) > LONGEST:
            ends = [f"d{chain.frontier}" for chain in self.chains if chain.frontier != self.graph.sink]
            give = "give" if len(ends) > 1 else "gives"
            written = [f"what {', '.join(_ends_of(ends)) or 'J'} {give} by the chain rule"]
        if len(written) == 1:
            written = [re.sub(r"^\((what [^()]*)\)$", r"\1", written[0])]
        body = " + ".join(written)
        if front and " + " in body:
            body = f"({body})"
        if self.penalty.any():
            body += f" + {self.penalty_text()}"
        return re.sub(r" +", " ", f"{step.name} = {front}{body}").replace("+ -", "- ")

    def _unwritten(self) -> str:
        """The part of the right value for which no formula was found, by where it comes from."""
        step, known = self.step, {chain.frontier for chain in self.chains}
        missing = [frontier for frontier in step.paths if frontier not in known]
        if not self.chains and missing in ([], ["J"]):
            whole = step.vjp(self.graph.sink, step.of, np.ones_like(step.forward.get(self.graph.sink, np.ones(()))))
            scaled = whole is not None and step.m > 1 and agree(step.overall, step.m * whole, 100 * step.rounding)
            return f"m dJ/d{step.of}" if scaled else f"dJ/d{step.of}"
        named = [f"dJ/d{step.of} by itself" if frontier == "J" else frontier for frontier in missing or step.paths]
        return f"what comes through {' and '.join(_ends_of(named))}"

    def penalty_text(self) -> str:
        """The regularisation's term in the notes' symbols."""
        name, lam = self.strength()
        k = coefficient(self.penalty, self.step.forward[self.step.of])
        return penalty_text(self.step.of, name, k, lam, self.step.m)

    def strength(self) -> tuple[str, float]:
        """Lambda by the user's name for it; ("lambda", 0) if it has none."""
        for name, value in self.step.scalars.items():
            if name.lower().startswith(("lam", "reg", "l2", "weight_decay", "wd", "beta_reg")):
                return name, value
        return "lambda", 0.0


def _ends_of(names: list[str]) -> list[str]:
    """The first and the last of many."""
    return names if len(names) < 4 else [names[0], "...", names[-1]]
