"""A drawing in TensorBoard: as its own form of a graph, where a node's panel has formula, value and derivatives, in the
Graphs tab; as a picture in Images; step by step in Text.
"""

import re
from collections import defaultdict
from pathlib import Path

from tensorboard.compat.proto.attr_value_pb2 import AttrValue
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.graph_pb2 import GraphDef
from tensorboard.compat.proto.node_def_pb2 import NodeDef
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.versions_pb2 import VersionDef
from torch.utils.tensorboard import summary
from torch.utils.tensorboard.writer import FileWriter

from torchbasics.errors import InputError
from torchbasics.graph.drawing import Box, Drawing
from torchbasics.graph.picture import pixels


def graph_def(drawing: Drawing) -> GraphDef:
    """The drawing as TensorBoard's own form of a graph; the edges have their values' shapes."""
    parents, labels = defaultdict(list), defaultdict(list)
    for arrow in drawing.arrows:
        parents[arrow.end].append(_name(arrow.start))
        labels[arrow.start].append(arrow.label or "")
    nodes = [_node(box, parents[box.key], "; ".join(filter(None, labels[box.key]))) for box in drawing.boxes]
    return GraphDef(node=nodes, versions=VersionDef(producer=22))


def refuse_used(folder: Path) -> None:
    """Raise `InputError` unless the folder is new or empty."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"--run {folder} is not empty; expected a folder that is new or empty")


def write(drawing: Drawing, text: str, folder: Path) -> None:
    """Events for TensorBoard in a folder: the graph, its picture, and the account of its steps as text."""
    writer = FileWriter(str(folder))
    writer.add_event(Event(graph_def=graph_def(drawing).SerializeToString()))
    picture = pixels(drawing)
    if picture is not None:
        writer.add_summary(summary.image("graph", picture, dataformats="HWC"))
    # Four spaces before a line are Markdown's form of text that stays as it is.
    writer.add_summary(summary.text("steps", "\n".join(f"    {line}" for line in text.splitlines())))
    writer.close()


def _name(key: str) -> str:
    """A name as TensorBoard takes it: A1' is A1_prime."""
    return re.sub(r"[^A-Za-z0-9_.]", "_", key.replace("'", "_prime"))


def _node(box: Box, parents: list[str], derivatives: str) -> NodeDef:
    shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=n) for n in box.shape])
    said = {"formula": box.title, "value": ", ".join(box.lines), "derivatives": derivatives}
    attributes = {key: AttrValue(s=value.encode()) for key, value in said.items() if value}
    attributes["_output_shapes"] = AttrValue(list=AttrValue.ListValue(shape=[shape]))
    return NodeDef(name=_name(box.key), op=box.kind, input=parents, attr=attributes)
