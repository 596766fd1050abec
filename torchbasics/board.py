"""One TensorBoard event file, written at once and in order.

`torch.utils.tensorboard.SummaryWriter` queues every event for a thread, which costs several times as much as writing
it, and loses the queue when the process is killed. The record format and the summaries are TensorBoard's and torch's.
"""

import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.graph_pb2 import GraphDef
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter


class Board:
    """Events of one run of TensorBoard's, in `folder`. `start` hides what earlier files have from that step on."""

    def __init__(self, folder: Path, start: int = 0, suffix: str = "") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        name = f"events.out.tfevents.{time.time():.6f}.{socket.gethostname()}.{os.getpid()}{suffix}"
        self._file = (folder / name).open("wb")
        self._records = RecordWriter(self._file)
        self._write(Event(wall_time=time.time(), file_version="brain.Event:2"))
        if start:
            self._write(Event(wall_time=time.time(), step=start, session_log=SessionLog(status=SessionLog.START)))

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """One point on the curve of every tag. Stored as float32: the run's CSV has all digits."""
        summary = Summary(value=[Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()])
        self.add(step, summary)

    def add(self, step: int, summary: Summary) -> None:
        """A summary made by `torch.utils.tensorboard.summary`: an image, a histogram, ..."""
        self._write(Event(wall_time=time.time(), step=step, summary=summary))

    def graph(self, graph: GraphDef) -> None:
        """What the Graphs tab shows of this run."""
        self._write(Event(wall_time=time.time(), graph_def=graph.SerializeToString()))

    def flush(self) -> None:
        """Hand everything to the operating system, from where a kill can't take it and TensorBoard reads it."""
        self._file.flush()

    def close(self) -> None:
        """Flush and close."""
        self._file.close()

    def _write(self, event: Event) -> None:
        self._records.write(event.SerializeToString())
