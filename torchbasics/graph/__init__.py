"""Computation graphs: values forward, derivatives backward along every edge, checked against autograd, and drawn.

`computation_graph` takes an expression or a function and gives a `Graph`. They are imported on first use, so that
whoever only wants the options of the command line doesn't wait for torch.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torchbasics.graph.graph import Graph as Graph
    from torchbasics.graph.graph import computation_graph as computation_graph


def __getattr__(name: str) -> Any:
    if name in ("Graph", "computation_graph"):
        from torchbasics.graph import graph

        return getattr(graph, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
