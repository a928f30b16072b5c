"""Python, and the code that it runs."""

import platform
from collections.abc import Iterator
from importlib.metadata import version

from etsdm.doctor._line import Case, Line
from etsdm.runtime.manifest import git_state

ORDER = 10


def lines(case: Case) -> Iterator[Line]:
    """Their versions, for reports of bugs."""
    yield Line("Python", "fine", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    state = git_state()
    revision = f", revision {state['revision'][:12]}{', edited' * state['dirty']}" if state["revision"] else ""
    yield Line("etsdm", "fine", version("etsdm") + revision)
