"""The same function on many items, on every processor, with the results in the order of the items."""

import multiprocessing
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")


def spread(
    function: Callable[[Item], Result], items: Sequence[Item], jobs: int, what: str = ""
) -> Iterator[tuple[Item, Result]]:
    """(item, function(item)); how far it is goes to stderr where that is a terminal.

    `function` is a module's own or a partial of one: the processes are forked, and only the results travel.
    """
    # Before the fork: a thread of torch's would be lost in it, and the products here gain nothing from a second one.
    torch.set_num_threads(1)
    with multiprocessing.get_context("fork").Pool(max(1, min(jobs, len(items))), torch.set_num_threads, (1,)) as pool:
        for count, pair in enumerate(zip(items, pool.imap(function, items), strict=True), start=1):
            if sys.stderr.isatty():
                end = "\n" if count == len(items) else ""
                print(f"\r{what}: {count} of {len(items)}", end=end, file=sys.stderr, flush=True)
            yield pair
