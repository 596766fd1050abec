"""What a check costs, as ratios measured side by side in this process.

(a) `check_network` of a 12288-20-7-5-1 network on 209 examples, over one training step of its torch.nn twin: forward,
    backward and an SGD step. The two are timed in turn; the medians are divided. Bar: at most 5.
(b) `finite_reference` of every one of its 245,973 parameters, over `torch.autograd.gradcheck` in its slow mode,
    which is timed on some parameters of W1 and scaled to all of them. Bar: at most 1/300.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from torchbasics.check.networks.finite import finite_reference
from torchbasics.check.networks.network import check_network
from torchbasics.initialisation import initialise
from torchbasics.models import deep
from torchbasics.network import Network
from torchbasics.notation import examples_first

SIZES, M = [12288, 20, 7, 5, 1], 209
BAR_STEPS, BAR_GRADCHECK = 5.0, 1 / 300


def problem(dtype: torch.dtype) -> tuple[Network, Tensor, Tensor]:
    """The network, and X (12288, 209) as images are, in [0, 1], with labels."""
    torch.manual_seed(0)
    network = initialise(deep(SIZES), "he", seed=0).to(dtype)
    return network, torch.rand(SIZES[0], M, dtype=dtype), torch.randint(0, 2, (1, M)).to(dtype)


def steps_per_check(dtype: torch.dtype, rounds: int) -> tuple[float, float]:
    """Seconds of a training step of the twin, and of a check."""
    network, X, Y = problem(dtype)
    twin, loss = network.twin(), network.loss.twin()
    inputs, labels = examples_first(X).contiguous(), examples_first(Y).contiguous()
    optimizer = torch.optim.SGD(twin.parameters(), lr=0.01)

    def step() -> None:
        optimizer.zero_grad()
        loss(twin(inputs), labels).backward()
        optimizer.step()

    def check() -> None:
        assert check_network(network, X, Y)

    times: dict[Callable[[], None], list[float]] = {step: [], check: []}
    for round_ in range(rounds + 2):
        for run, seconds in times.items():
            start = time.perf_counter()
            run()
            if round_ >= 2:  # the first ones load and allocate
                seconds.append(time.perf_counter() - start)
    return statistics.median(times[step]), statistics.median(times[check])


def gradcheck_seconds(network: Network, X: Tensor, Y: Tensor, entries: int) -> float:
    """Seconds of a slow gradcheck of `entries` parameters of W1, all else fixed."""
    twin, loss = network.twin(), network.loss.twin()
    first, *above = twin
    assert isinstance(first, nn.Linear)
    inputs, labels = examples_first(X).contiguous(), examples_first(Y).contiguous()
    weight, bias = first.weight.detach(), first.bias.detach()
    rest = nn.Sequential(*above).requires_grad_(False)

    def J(some: Tensor) -> Tensor:
        flat = torch.cat([some, weight.view(-1)[entries:]])
        cost: Tensor = loss(rest(nn.functional.linear(inputs, flat.view_as(weight), bias)), labels)
        return cost

    some = weight.view(-1)[:entries].clone().requires_grad_()
    start = time.perf_counter()
    torch.autograd.gradcheck(J, (some,), fast_mode=False)
    return time.perf_counter() - start


def parameters_per_gradcheck(entries: int) -> tuple[float, float, int]:
    """Seconds of `finite_reference`, of a slow gradcheck scaled to every parameter, and how many those are."""
    network, X, Y = problem(torch.float64)
    count = sum(parameter.numel() for parameter in network.parameters())
    finite_reference(network, X, Y)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        finite_reference(network, X, Y)
        times.append(time.perf_counter() - start)
    # Each parameter costs two forward passes: the time of twice as many less that of the first is free of the rest.
    few, many = (gradcheck_seconds(network, X, Y, entries * times_) for times_ in (1, 2))
    return statistics.median(times), (many - few) / entries * count, count


def main() -> int:
    """Print both tables; 1 if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=25, help="times that each is timed for (a) (default: 25)")
    parser.add_argument("--entries", type=int, default=100, help="parameters that gradcheck is timed on (default: 100)")
    options = parser.parse_args()
    console, held = Console(), True
    default = torch.get_num_threads()
    table = Table("dtype", "threads", "training step", "check_network", "ratio", "bar")
    for threads in sorted({1, default}):
        torch.set_num_threads(threads)
        for dtype in (torch.float64, torch.float32):
            step, check = steps_per_check(dtype, options.rounds)
            held &= check / step <= BAR_STEPS
            ratio = f"{check / step:.2f}"
            table.add_row(str(dtype)[6:], str(threads), f"{step:.2g} s", f"{check:.2g} s", ratio, f"{BAR_STEPS:g}")
    console.print(table)
    torch.set_num_threads(default)
    finite, slow, count = parameters_per_gradcheck(options.entries)
    held &= finite / slow <= BAR_GRADCHECK
    console.print(
        f"all {count:,} parameters without autograd: {finite:.2g} s; slow gradcheck, timed on {options.entries} of "
        f"them and scaled: {slow:.3g} s; 1/{slow / finite:.0f}, bar 1/{1 / BAR_GRADCHECK:.0f}"
    )
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
