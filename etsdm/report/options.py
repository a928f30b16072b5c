"""Options that change how a trained network is sampled: their words, and that no published number has them."""

from collections.abc import Callable
from typing import Any

from etsdm.report.text import settings

OPTIONS: dict[str, Callable[[Any], str]] = {
    "t_end": "stopped at t = {}".format,
    "eps_scale": lambda scale: "eps / ({k} t + {b})".format(**scale) if scale["k"] else f"eps / {scale['b']}",
    "time_shift": "time shifted in a window of {0[window]} above t = {0[cutoff]}".format,
}
"""From the value of each option, as JSON holds it, to its words."""


def in_words(values: dict[str, Any]) -> str:
    """Settings as text, the options in words; what is off is left out."""
    present = {key: value for key, value in values.items() if value is not None}
    return ", ".join(
        OPTIONS[key](present[key]) if key in OPTIONS else settings({key: present[key]}, ()) for key in present
    )


def has_options(parameters: dict[str, Any]) -> bool:
    """Whether a solver with these settings has an option on."""
    return any(parameters.get(key) is not None for key in OPTIONS)


def options_of(parameters: dict[str, Any]) -> str:
    """The options of a solver with these settings, in words; empty where it has none."""
    return in_words({key: value for key, value in parameters.items() if key in OPTIONS})
