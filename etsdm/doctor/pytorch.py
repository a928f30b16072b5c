"""PyTorch, and whether it is the version that this project is tested with."""

import re
from collections.abc import Iterator

from etsdm.doctor._line import Case, Line
from etsdm.fingerprint import ROOT

ORDER = 20
LOCK = ROOT / "requirements.lock"


def lines(case: Case) -> Iterator[Line]:
    """Its version beside the locked one."""
    try:
        import torch
    except (ImportError, OSError) as error:
        yield Line("PyTorch", "missing", f"cannot be loaded ({error})", "make install")
        return
    yield beside(torch.__version__, locked())


def beside(version: str, locked: str | None) -> Line:
    """The line on a version, such as 2.14.1+cu126, beside the locked one; None: no lock is here."""
    if locked is None:
        return Line("PyTorch", "fine", f"{version}; no requirements.lock here to compare it with")
    if version.partition("+")[0] == locked:
        return Line("PyTorch", "fine", f"{version}, the locked version")
    return Line(
        "PyTorch",
        "no matter",
        f"{version}, not the locked {locked}; other versions round otherwise, and manifests name them",
        "make install",
    )


def locked() -> str | None:
    """The locked version; None without a lock, as where the package is installed from a wheel."""
    if not LOCK.is_file():
        return None
    pinned = re.search(r"^torch==([^\s;]+)", LOCK.read_text(encoding="utf-8"), re.MULTILINE)
    return pinned[1] if pinned else None
