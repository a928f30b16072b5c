"""A long result made in parts, so that a job cut off goes on where it was and several processes can share the work.

A part is written to a folder beside the result, which no workflow watches, and is whole or absent; parts of another
run are never taken for this one's.
"""

import shutil
import sys
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from etsdm.errors import Interrupted, UserError
from etsdm.runtime.files import atomic, read_json, write_json
from etsdm.runtime.processes import Processes
from etsdm.runtime.stop import StopRequest

Part = NDArray[Any]


def folder_of(out: Path) -> Path:
    """Folder of the parts of the result `out`."""
    return out.with_name(f".{out.name}.parts")


class Parts:
    """The parts of one result.

    Args:
        out: the file that they will become.
        identity: everything they depend on.
        count: how many there are.
        processes: those that share the work.
    """

    def __init__(self, out: Path, identity: object, count: int, processes: Processes) -> None:
        self.root = folder_of(out)
        self.folder = self.root / sha256(repr(identity).encode()).hexdigest()[:16]
        self.count = count
        self.processes = processes
        self.own = range(processes.rank, count, processes.count)
        if processes.rank == 0:
            for other in self.root.glob("*"):
                if other != self.folder:
                    shutil.rmtree(other)
            self.folder.mkdir(parents=True, exist_ok=True)
            if ready := len(list(self.folder.glob("*.npy"))):
                print(f"etsdm: {out}: going on after {ready} of {count} parts", file=sys.stderr)
        processes.meet()

    def make(self, part: Callable[[int], Part], stop: StopRequest, skipped: Callable[[int], object]) -> None:
        """Make this process's share of the parts, and wait for the others to make theirs.

        Args:
            part: makes the part of a given number.
            stop: asked before each part.
            skipped: told the number of each part that is there already.

        Raises:
            Interrupted: it is time to leave; the parts made so far are kept.
        """
        for number in self.own:
            if self.has(number):
                skipped(number)
                continue
            if stop.requested:
                raise self.interrupted(number)
            self.write(number, part(number))
        self.processes.meet()

    def missing(self) -> list[int]:
        """Numbers of the parts that are still to be made by this process, in the order in which it will make them."""
        return [number for number in self.own if not self.has(number)]

    def has(self, number: int) -> bool:
        """Whether the part is there."""
        return self._file(number).exists()

    def write(self, number: int, part: Part) -> None:
        """Add a part."""
        with atomic(self._file(number)) as temporary, temporary.open("wb") as file:
            np.save(file, part, allow_pickle=False)

    def note(self, number: int, value: Any) -> None:
        """Keep something that JSON can hold with a part that is yet to be written."""
        write_json(self._file(number).with_suffix(".json"), value)

    def noted(self, number: int) -> Any:
        """What was kept with a part; None if nothing was."""
        file = self._file(number).with_suffix(".json")
        return read_json(file) if file.exists() else None

    def read(self, number: int) -> Part:
        """A part that is there.

        Raises:
            UserError: it is damaged.
        """
        try:
            part: Part = np.load(self._file(number), allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise UserError(f"{self._file(number)}: damaged ({error}); remove it and give the command again") from error
        return part

    def interrupted(self, number: int) -> Interrupted:
        """What to raise when it is time to leave before the part of this number."""
        return Interrupted(f"{self.root}: stopped after {number} of {self.count} parts; the same command goes on")

    def __iter__(self) -> Iterator[Part]:
        """All parts in order."""
        return map(self.read, range(self.count))

    def remove(self) -> None:
        """Remove the parts, once the result is there."""
        shutil.rmtree(self.root)

    def _file(self, number: int) -> Path:
        return self.folder / f"{number:08d}.npy"
