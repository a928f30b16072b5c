"""What the measurements share: options, repetitions in turn, ratios with their spread, tables."""

from collections.abc import Callable, Sequence
from statistics import median
from time import perf_counter
from typing import Any

import click
from tabulate import tabulate

DEVICE = click.option(
    "--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True, envvar="DEVICE", help="Where."
)

OURS = "etsdm"

Seconds = dict[str, list[float]]
"""Seconds of each repetition, by what was done."""


def repetitions(default: int) -> Callable[..., Any]:
    """The option that says how often."""
    return click.option("--repeats", type=click.IntRange(1), default=default, show_default=True, help="Repetitions.")


def in_turn(works: dict[str, Callable[[], object]], repeats: int, device: str = "cpu", warm_up: bool = True) -> Seconds:
    """Time each piece of work `repeats` times, all in turn, so that a disturbance meets them alike.

    Args:
        works: what to do, by name.
        repeats: how often.
        device: `cuda` is waited for.
        warm_up: do everything once before, uncounted.
    """
    seconds: Seconds = {name: [] for name in works}
    for round_ in range(repeats + warm_up):
        for name, work in works.items():
            started = perf_counter()
            work()
            if device == "cuda":
                import torch

                torch.cuda.synchronize()
            if round_ >= warm_up:
                seconds[name].append(perf_counter() - started)
    return seconds


def spread(values: Sequence[float]) -> str:
    """Median and range."""
    return f"{median(values):.3g} ({min(values):.3g} to {max(values):.3g})"


def ratios(seconds: Seconds, name: str) -> list[float]:
    """How many times as fast as `name` we are, in each repetition."""
    return [peer / ours for ours, peer in zip(seconds[OURS], seconds[name], strict=True)]


def compared(what: str, seconds: Seconds) -> list[dict[str, object]]:
    """A row for each peer."""
    peers = [name for name in seconds if name != OURS]
    return [
        {
            "measurement": what,
            "peer": peer,
            "etsdm, s": spread(seconds[OURS]),
            "peer, s": spread(seconds[peer]),
            "times as fast": spread(ratios(seconds, peer)),
        }
        for peer in peers
    ]


def show(rows: list[dict[str, object]]) -> None:
    """Print rows as a table that fits into docs/performance.md."""
    click.echo(tabulate(rows, headers="keys", tablefmt="github", disable_numparse=True))
