"""The runs of a sweep, several at a time: each by a process that is kept for the next one, with one thread.

A process of its own keeps Ctrl-C from a run until the sweep passes it on, once, and ends with the sweep, however that
ends: `kill -9` of it too closes the pipe that its processes listen to.
"""

import _thread
import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait

import torch

from torchbasics.training.config import TrainConfig
from torchbasics.training.loop import Stop
from torchbasics.training.sweep.one import Outcome, train_one

Started = Callable[[TrainConfig], None]
Over = Callable[[TrainConfig, Outcome], None]
# A fork under torch's threads is not safe.
PROCESSES = multiprocessing.get_context("spawn")
# Between two looks at whether Ctrl-C was pressed.
SECONDS = 0.2
# A process that has closed its pipe may take to end.
PATIENCE = 10.0


def train_all(configs: Sequence[TrainConfig], jobs: int, stop: Stop, started: Started, over: Over) -> None:
    """Train the runs, `jobs` at a time, one alone in this process; `stop` ends those under way at a checkpoint."""
    if jobs == 1:
        _here(configs, stop, started, over)
        return
    waiting = list(reversed(configs))
    workers = [_Worker() for _ in range(jobs)]
    told = False
    try:
        while True:
            if stop.requested and not told:
                told = True
                waiting.clear()
                for worker in workers:
                    worker.stop()
            for worker in workers:
                if worker.config is None and waiting:
                    worker.begin(waiting.pop())
                    assert worker.config is not None
                    started(worker.config)
            busy = {worker.connection: worker for worker in workers if worker.config is not None}
            if not busy:
                return
            for connection in wait(list(busy), SECONDS):
                assert isinstance(connection, Connection)
                worker = busy[connection]
                config, outcome = worker.config, worker.outcome()
                if outcome is None:
                    outcome = Outcome("stopped") if stop.requested else Outcome("failed", worker.died())
                    workers.remove(worker)
                    if waiting:
                        workers.append(_Worker())
                assert config is not None
                over(config, outcome)
    finally:
        for worker in workers:
            worker.end()


def _here(configs: Sequence[TrainConfig], stop: Stop, started: Started, over: Over) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for config in configs:
            if stop.requested:
                return
            started(config)
            outcome = train_one(config)
            over(config, outcome)
            if outcome.kind == "stopped":
                stop.requested = True
    finally:
        torch.set_num_threads(threads)


class _Worker:
    """A process, and the run that it trains at the moment, if any."""

    def __init__(self) -> None:
        self.config: TrainConfig | None = None
        self.connection, theirs = PROCESSES.Pipe()
        self.process = PROCESSES.Process(target=serve, args=(theirs,), daemon=True)
        # Until it has left our group, Ctrl-C reaches it too.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            self.process.start()
        finally:
            signal.signal(signal.SIGINT, before)
        theirs.close()

    def begin(self, config: TrainConfig) -> None:
        self.config = config
        self._send(config)

    def stop(self) -> None:
        self._send(None)

    def outcome(self) -> Outcome | None:
        """Of the run that has come to its end; None if the process ended before it."""
        self.config = None
        try:
            outcome = self.connection.recv()
        except (EOFError, OSError):
            return None
        assert isinstance(outcome, Outcome)
        return outcome

    def died(self) -> str:
        """How the process ended that gave no outcome."""
        self.process.join(PATIENCE)
        code = self.process.exitcode
        self.end()
        if code is None:
            return f"its process gave no outcome, and did not end in {PATIENCE:g} seconds"
        # Windows has no such signal.
        killed = getattr(signal, "SIGKILL", None)
        if killed is not None and code == -killed:
            return "its process was killed, perhaps because the machine ran out of memory; try fewer --jobs"
        return f"its process ended with exit code {code}"

    def end(self) -> None:
        """End the process, whatever it does."""
        self.process.kill()
        self.process.join()
        self.connection.close()

    def _send(self, message: TrainConfig | None) -> None:
        try:
            self.connection.send(message)
        except OSError:
            # It has ended, as `outcome` will say.
            return


def serve(connection: "Connection[Outcome, TrainConfig | None]") -> None:
    """What such a process does: train what comes, answer with the outcome, stop for None."""
    if hasattr(os, "setsid"):
        os.setsid()
    requests: queue.SimpleQueue[TrainConfig] = queue.SimpleQueue()

    def listen() -> None:
        while True:
            try:
                config = connection.recv()
            except (EOFError, OSError):
                # The sweep has ended.
                os._exit(1)
            if config is None:
                _thread.interrupt_main()
            else:
                requests.put(config)

    try:
        # From here on it can come, first of all while the thread is being started.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        torch.set_num_threads(1)
        threading.Thread(target=listen, daemon=True).start()
        while True:
            connection.send(train_one(requests.get()))
    except KeyboardInterrupt:
        return
