"""What is shared says nothing of the machine that made it: no absolute path, and no host name unless asked for."""

import os
import re
import socket
from pathlib import Path
from typing import Any

HOST = "ETSDM_HOST"
"""The variable that asks for host names in manifests: any value but an empty one."""
_ABSOLUTE = re.compile(r"(?<![\w.~$}/:*-])(?:file://)?/(?:[^/\s'\",;:()]+/)+(?=[^/\s'\",;:()])")


def host() -> str | None:
    """This machine's name; None unless it is asked for."""
    return socket.gethostname() if os.environ.get(HOST) else None


def without_places(value: Any) -> Any:
    """A text, or texts in lists and mappings, with `.../name` for each absolute path that leads out of this folder.

    Args:
        value: what JSON can hold.
    """
    if isinstance(value, str):
        return _ABSOLUTE.sub(".../", value.replace(f"{Path.cwd()}/", ""))
    if isinstance(value, dict):
        return {key: without_places(part) for key, part in value.items()}
    return [without_places(part) for part in value] if isinstance(value, list) else value


def without_home(text: str) -> str:
    """A text with `~` for the user's home, whose path often has the user's name."""
    home = os.path.expanduser("~")  # noqa: PTH111, Path.home raises where there is none
    return text.replace(home, "~") if len(home) > 1 else text


def relative(file: Path, near: Path) -> str:
    """A file's path from here, else from the innermost folder above both it and `near`."""
    place = file.absolute()
    folder = next(above for above in (Path.cwd(), *near.absolute().parents) if place.is_relative_to(above))
    return str(place.relative_to(folder))
