"""The loop: cost and gradients on a batch, look, update. It knows engines only by their interface."""

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

import torch
from torch import Tensor

from torchbasics.training.batches import Batches
from torchbasics.training.engines import Engine

# What is called with (i, costs, X, Y) between the gradients of iteration i and its update.
Watch = Callable[[int, list[Tensor], Tensor, Tensor], None]


class Stop:
    """Whether Ctrl-C was pressed."""

    def __init__(self) -> None:
        self.requested = False


def descend(
    engines: Sequence[Engine],
    batches: Batches,
    iterations: range,
    watch: Watch,
    until: Callable[[], bool],
    seconds: dict[str, float],
) -> int:
    """Run the iterations, adding each engine's time to `seconds`; return how many updates the parameters have had.

    Iteration i's cost is the one before update i + 1, as the notes print it. `until` is asked between iterations, so
    that whenever it ends the loop every engine has made the same updates.
    """
    for i in iterations:
        X, Y = batches.next()
        costs = []
        for engine in engines:
            with _clock(engine, X.device, seconds):
                costs.append(engine.cost_and_gradients(X, Y))
        watch(i, costs, X, Y)
        for engine in engines:
            with _clock(engine, X.device, seconds):
                engine.update()
        if until():
            return i + 1
    return iterations.stop


@contextmanager
def stop_on_ctrl_c() -> Iterator[Stop]:
    """Turn Ctrl-C into a request to stop after the iteration in hand; a second Ctrl-C stops at once."""
    stop = Stop()

    def request(number: int, frame: FrameType | None) -> None:
        if stop.requested:
            raise KeyboardInterrupt
        stop.requested = True

    before = signal.signal(signal.SIGINT, request)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


class _clock:
    """Adds an engine's time to its sum. A class, because contextlib's generators cost as much as a small product."""

    __slots__ = ("device", "name", "seconds", "started")

    def __init__(self, engine: Engine, device: torch.device, seconds: dict[str, float]) -> None:
        self.name, self.device, self.seconds = engine.name, device, seconds

    def __enter__(self) -> None:
        self.started = time.perf_counter()

    def __exit__(self, *exception: object) -> None:
        # A GPU works on after the call has returned, and its time would be booked to whoever waits for it.
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        self.seconds[self.name] += time.perf_counter() - self.started
