"""The seeds of the method `replica`: those of the benchmark, shifted, so that no other method has drawn from them."""

from typing import Any

STEP = 1000
"""Between one replica's seeds and the next one's; seeds of the benchmark must be less."""


def shift(method: dict[str, Any]) -> int:
    """What a method, given by its settings, adds to each seed: 0 unless it is a `replica`."""
    return STEP * int(method["number"]) if method["name"] == "replica" else 0
