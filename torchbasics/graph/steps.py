"""A graph in words, step by step: values forward, derivatives backward, and the chain rule written out for every leaf.

For a leaf that reaches J along single numbers the chain is the product of the derivatives along its path,
dJ/dc = dJ/dv dv/du du/dc, and the sum of such products where it is used several times. Beside it stands what J does
when the leaf is nudged, which needs no derivative at all. Source: week 2, "Derivatives with a computation graph".
"""

from collections.abc import Iterator, Sequence

from torchbasics.graph.graph import Edge, Graph, Node, brief

# How far a leaf is nudged; the notes nudge by as much.
NUDGE = 0.001


def steps(graph: Graph) -> str:
    """The whole account, as lines of text."""
    J = graph.J.name
    lines = [graph.title, "", "forward", *_columns([(node.formula, f"= {brief(node.value)}") for node in graph.nodes])]
    lines += ["", "backward", *_columns([(f"d{J}/d{J}", "= 1"), *_backward(graph)])]
    chains = [chain(graph, leaf) for leaf in graph.leaves]
    if any(chains):
        lines += ["", "chain rule", *(f"  {line}" for line in chains if line)]
    nudges = [nudge(graph, leaf) for leaf in graph.leaves if _can_be_nudged(leaf)]
    if nudges:
        lines += ["", f"nudge: what {J} does when a leaf grows by {NUDGE:g}", *_columns(nudges)]
    return "\n".join([*lines, "", verdict(graph)])


def verdict(graph: Graph) -> str:
    """Whether every edge is what autograd has."""
    wrong = [edge for edge in graph.edges if not edge.agrees]
    if not wrong:
        return f"{len(graph.edges)} of {len(graph.edges)} edges agree with autograd to rounding"
    places = ", ".join(f"{edge.parent.name} -> {edge.child.name}" for edge in wrong)
    return f"{len(wrong)} of {len(graph.edges)} edges disagree with autograd: {places}"


def _backward(graph: Graph) -> Iterator[tuple[str, str]]:
    """What each value gets back, last to first: in symbols, and in numbers."""
    J = graph.J.name
    for node in reversed(graph.nodes[:-1]):
        edges = graph.edges_from(node)
        symbols = " + ".join(edge.words for edge in edges)
        slopes = [edge.slope for edge in edges]
        products = ""
        if None not in slopes:
            arriving = [brief(edge.child.gradient) for edge in edges]
            pairs = zip(arriving, slopes, strict=True)
            products = f"{' + '.join(f'{_factor(x)}*{_factor(slope)}' for x, slope in pairs)} = "
        yield f"d{J}/d{node.name} = {symbols}", f"= {products}{brief(node.gradient)}"


def chain(graph: Graph, leaf: Node) -> str:
    """dJ/d(leaf) by the chain rule, in symbols, in numbers, and what it comes to; "" where arrays are on the way.

    Each product starts at J, or at a value that is used at several places, whose own dJ/dv the lines above have.
    """
    J = graph.J.name
    symbols, numbers = [], []
    for run in _runs(graph, leaf):
        end = run[-1][0].child
        names = [] if end is graph.J else [f"d{J}/d{end.name}"]
        factors = [] if end is graph.J else [brief(end.gradient)]
        for edges in reversed(run):
            slopes = [edge.slope for edge in edges]
            if None in slopes:
                return ""
            names.append(f"d{edges[0].child.name}/d{edges[0].parent.name}")
            factors.append(" + ".join(_factor(slope) for slope in slopes))
        symbols.append(" ".join(names))
        # A value that enters the next one twice has the sum of two derivatives.
        numbers.append("*".join(f"({factor})" if " + " in factor else _factor(factor) for factor in factors))
        if len(factors) == 1:
            numbers[-1] = factors[0]
    parts = [f"d{J}/d{leaf.name}", " + ".join(symbols), " + ".join(numbers), brief(leaf.gradient)]
    # A path of one edge would say the same again.
    return " = ".join(part for k, part in enumerate(parts) if k == 0 or part != parts[k - 1])


def _runs(graph: Graph, leaf: Node) -> Iterator[list[list[Edge]]]:
    """The paths from a leaf as far as they do not branch; each step a list of edges, of which x*x has two from x."""
    for edges in _by_child(graph, leaf):
        run = [edges]
        while len(onward := _by_child(graph, run[-1][0].child)) == 1:
            run += onward
        yield run


def _by_child(graph: Graph, node: Node) -> list[list[Edge]]:
    found: dict[Node, list[Edge]] = {}
    for edge in graph.edges_from(node):
        found.setdefault(edge.child, []).append(edge)
    return list(found.values())


def nudge(graph: Graph, leaf: Node) -> tuple[str, str]:
    """A leaf before and after its nudge, and J."""
    value, J, after = leaf.value.item(), graph.J.value.item(), graph.nudged(leaf, NUDGE)
    name = graph.J.name
    before = f"{leaf.name} = {value:.7g} -> {value + NUDGE:.7g}"
    if after is None:
        return before, f"{name} has no value there; d{name}/d{leaf.name} = {brief(leaf.gradient)}"
    ratio = f"{(after - J) / NUDGE:.4g} times as much"
    return before, f"{name} = {J:.7g} -> {after:.7g}, {ratio}; d{name}/d{leaf.name} = {brief(leaf.gradient)}"


def _can_be_nudged(leaf: Node) -> bool:
    """Whether it is a single number of the user's, and not so large that it would stay what it is."""
    if leaf.value.numel() != 1 or leaf.constant:
        return False
    value = leaf.value.item()
    return abs((value + NUDGE) - value - NUDGE) < 1e-3 * NUDGE


def _factor(number: float | str | None) -> str:
    """A number in a product: in brackets where it is negative."""
    text = number if isinstance(number, str) else f"{number:.6g}"
    return f"({text})" if text.startswith("-") else text


def _columns(pairs: Sequence[tuple[str, str]]) -> list[str]:
    # One very long formula must not push the others' values off the screen.
    width = max((len(left) for left, _ in pairs if len(left) <= 60), default=0)
    return [f"  {left:{width}}  {right}" for left, right in pairs]
