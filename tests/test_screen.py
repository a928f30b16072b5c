"""What a person sees of a run on a terminal: lines drawn in their place."""

import fcntl
import os
import re
import select
import struct
import termios
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from records import BARS, NAME, Run, stop_looking

from etsdm.terminal.screen import Screen


@pytest.fixture(autouse=True)
def only_when_told(monkeypatch: pytest.MonkeyPatch) -> None:
    stop_looking(monkeypatch)


class Terminal:
    """A terminal of a given size, and what stands on it.

    Args:
        columns, lines: its size.
    """

    def __init__(self, columns: int, lines: int) -> None:
        self.master, follower = os.openpty()
        self.resize(columns, lines)
        self.stream = os.fdopen(follower, "w")
        self.rows = [""]
        self.row = 0

    def resize(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def screen(self) -> list[str]:
        """What stands there now. Only what these lines are made with is understood."""
        data = b""
        while select.select([self.master], [], [], 0.1)[0]:
            data += os.read(self.master, 2**16)
        text = data.decode()
        for part in re.findall(r"\x1b\[\d*[AJ]|[\r\n]|[^\x1b\r\n]+", text):
            if part == "\x1b[J":
                self.rows[self.row :] = [""]
            elif part.endswith("A") and part[0] == "\x1b":
                self.row -= int(part[2:-1])
            elif part == "\n":
                self.row += 1
                self.rows += [""] * (self.row + 1 - len(self.rows))
            elif part != "\r":
                self.rows[self.row] = part + self.rows[self.row][len(part) :]
        return self.rows


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    monkeypatch.setenv("TERM", "xterm")
    small = Terminal(columns=100, lines=24)
    yield small
    with suppress(OSError):  # it may be gone
        small.stream.close()
    os.close(small.master)


def test_on_a_terminal_lines_are_drawn_in_their_place(tmp_path: Path, terminal: Terminal) -> None:
    run = Run(tmp_path, terminal.stream)
    log = run.begin(1, 0.0)
    log.write_text(BARS)
    os.utime(log, (80.0, 80.0))
    run.begin(2, 70.0, {"model": "digits-8px/ddpm-linear-6a87bf48/seed0"})
    for now in (78.0, 79.0, 80.0):
        run.teller.look(now)
    screen = terminal.screen()
    assert screen[0] == "3 jobs to run: 3 train"
    assert screen[2].startswith("0 of 3 jobs done, 2 running; 1 min 20 s so far; ")
    assert re.fullmatch(r"  train  digits-8px etsdm-100-5-linear seed1 +76 %  21 s left +830 img/s", screen[3])
    assert re.fullmatch(r"  train  digits-8px ddpm-linear seed0 +10 s", screen[4])
    assert len(screen) == 5
    run.finish(1, 90.0)
    run.finish(2, 91.0)
    run.teller.look(91.0)
    run.teller.close(92.0)
    assert terminal.screen() == [
        "3 jobs to run: 3 train",
        f"{NAME}: done in 1 min 30 s",
        "2 of 3 jobs done in 1 min 32 s; all jobs together took 1 min 51 s",
        "",
    ]


def test_what_others_write_stays(tmp_path: Path, terminal: Terminal) -> None:
    run = Run(tmp_path, terminal.stream)
    run.begin(1, 0.0)
    run.teller.look(1.0)
    terminal.stream.write("etsdm: warning: of another process\n")
    run.teller.look(2.0)
    run.teller.close(3.0)
    assert terminal.screen()[1] == "etsdm: warning: of another process"


def test_a_terminal_that_shrinks_breaks_no_line(terminal: Terminal) -> None:
    screen = Screen(terminal.stream)
    lines = ["x" * 90, *(f"line {number}" for number in range(40))]
    screen.draw(lines)
    assert len(terminal.screen()) == 23
    terminal.resize(20, 6)
    screen.draw(lines)
    assert terminal.screen() == ["", "x" * 19, "line 0", "line 1", "line 2"]
    terminal.resize(1, 1)
    screen.draw(lines)
    assert terminal.screen() == [""]


def test_a_terminal_that_is_gone_stops_nothing(terminal: Terminal) -> None:
    screen = Screen(terminal.stream)
    screen.draw(["a"])
    os.dup2(os.open(os.devnull, os.O_RDWR), terminal.master)
    screen.say("b")


def test_a_dumb_terminal_gets_lasting_lines(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    assert not Screen(terminal.stream).is_live
