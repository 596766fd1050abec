"""Computation graphs: values forward, derivatives backward along every edge, checked against autograd, and drawn."""

from torchbasics.graph.graph import Graph as Graph
from torchbasics.graph.graph import computation_graph as computation_graph
