"""Formulas in plain text as the page sets them: indices below the line, powers above it."""

import re
from html import escape

INDEX = re.compile(r"\b([xσα])_(t̃|t|s|\d)(?!\w)")
POWER = re.compile(r"\b(t)\^(?:\(([^()]+)\)|([\w−]+))")


def formulas(text: object) -> str:
    """The text as HTML, escaped, with `x_t` and `t^(−1/2)` set as formulas.

    Args:
        text: plain text.
    """
    html = INDEX.sub(r"\1<sub>\2</sub>", escape(str(text)))
    return POWER.sub(lambda match: f"{match[1]}<sup>{match[2] or match[3]}</sup>", html)
