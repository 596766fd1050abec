"""A drawing in TensorBoard: as its own form of a graph, where a node's panel has formula, value and derivatives, in the
Graphs tab; as a picture in Images; step by step in Text.
"""

import os
import re
from collections import defaultdict
from pathlib import Path

from tensorboard.compat.proto.attr_value_pb2 import AttrValue
from tensorboard.compat.proto.graph_pb2 import GraphDef
from tensorboard.compat.proto.node_def_pb2 import NodeDef
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.versions_pb2 import VersionDef
from torch.utils.tensorboard import summary

from torchbasics.board import Board
from torchbasics.errors import InputError
from torchbasics.graph.drawing import Box, Drawing
from torchbasics.graph.picture import pixels


def graph_def(drawing: Drawing) -> GraphDef:
    """The drawing as TensorBoard's own form of a graph; the edges have their values' shapes."""
    names, parents, labels = _names(drawing), defaultdict(list), defaultdict(list)
    for arrow in drawing.arrows:
        parents[arrow.end].append(names[arrow.start])
        labels[arrow.start].append(arrow.label or "")
    nodes = [
        _node(names[box.key], box, parents[box.key], "; ".join(filter(None, labels[box.key]))) for box in drawing.boxes
    ]
    return GraphDef(node=nodes, versions=VersionDef(producer=22))


def refuse_used(folder: Path) -> None:
    """Raise `InputError` unless the folder is empty, or new and can be made."""
    above = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if above == folder and folder.is_dir():
        if not os.access(folder, os.R_OK | os.W_OK) or any(folder.iterdir()):
            raise InputError(f"--run {folder} is not empty, or not yours; expected a folder that is new or empty")
    elif not above.is_dir() or not os.access(above, os.W_OK) or above == folder:
        raise InputError(f"--run {folder}: no folder can be made in {above}; name another")


def write(drawing: Drawing, text: str, folder: Path) -> None:
    """Events for TensorBoard in a folder: the graph, its picture, and the account of its steps as text.

    Raises `InputError` where they can't be written.
    """
    picture = pixels(drawing)
    try:
        board = Board(folder)
        try:
            board.graph(graph_def(drawing))
            if picture is not None:
                board.add(0, summary.image("graph", picture, dataformats="HWC"))
            # Four spaces before a line are Markdown's form of text that stays as it is.
            board.add(0, summary.text("steps", "\n".join(f"    {line}" for line in text.splitlines())))
        finally:
            board.close()
    except OSError as error:
        raise InputError(f"--run {folder} can't be written: {error.strerror}; name another folder") from error


def _names(drawing: Drawing) -> dict[str, str]:
    """A name of its own for each box as TensorBoard takes it: A1' is A1_prime."""
    names: dict[str, str] = {}
    for box in drawing.boxes:
        name = re.sub(r"[^A-Za-z0-9_.]", "_", box.key.replace("'", "_prime"))
        # The first letter is no underscore.
        name = name if name[0].isalnum() else f"n{name}"
        while name in names.values():
            name += "_"
        names[box.key] = name
    return names


def _node(name: str, box: Box, parents: list[str], derivatives: str) -> NodeDef:
    shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=n) for n in box.shape])
    said = {"formula": box.title, "value": ", ".join(box.lines), "derivatives": derivatives}
    attributes = {key: AttrValue(s=value.encode()) for key, value in said.items() if value}
    attributes["_output_shapes"] = AttrValue(list=AttrValue.ListValue(shape=[shape]))
    return NodeDef(name=name, op=box.kind, input=parents, attr=attributes)
