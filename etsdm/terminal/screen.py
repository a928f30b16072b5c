"""Where lines go: on a terminal below what was said, drawn again and again in their place; else nowhere."""

import os
from contextlib import suppress
from typing import TextIO

CLEAR, NEXT = "\r\x1b[J", "\n"
"""To the beginning of the line with nothing from here on; and to the next line."""


class Screen:
    """A stream to which things are said, with lines below them if it is a terminal.

    The cursor rests on an empty line above these lines. What another program writes stands there, and stays.

    Args:
        stream: where to write.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.is_live = bool(stream.isatty()) and os.environ.get("TERM", "dumb") != "dumb"
        self._drawn = False

    def width(self) -> int:
        """Columns of a line: all but the last, after which terminals differ."""
        return max(1, self._size().columns - 1)

    def say(self, text: str) -> None:
        """Write lines that stay."""
        self._write(f"{self._clear()}{text}\n")

    def draw(self, lines: list[str]) -> None:
        """Draw lines over those drawn before, as many as there is room for."""
        size = self._size()
        shown = ["", *(line[: self.width()] for line in lines)][: max(1, size.lines - 1)]
        up = f"\x1b[{len(shown) - 1}A" if len(shown) > 1 else ""
        text = f"{self._clear()}{NEXT.join(shown)}{up}\r"
        self._drawn = True
        self._write(text)

    def clear(self) -> None:
        """Take the lines away."""
        self._write(self._clear())

    def _clear(self) -> str:
        was_drawn, self._drawn = self._drawn, False
        return CLEAR if was_drawn else ""

    def _size(self) -> os.terminal_size:
        with suppress(OSError, ValueError):
            size = os.get_terminal_size(self.stream.fileno())
            if size.columns and size.lines:
                return size
        return os.terminal_size((80, 24))

    def _write(self, text: str) -> None:
        """Write, unless nobody reads any more: the jobs matter more."""
        with suppress(OSError, ValueError):
            self.stream.write(text)
            self.stream.flush()
