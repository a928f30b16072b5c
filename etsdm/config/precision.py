"""The precision of a network's products, as a configuration states it."""

from typing import Literal

Precision = Literal["float32", "tf32", "bfloat16"]
