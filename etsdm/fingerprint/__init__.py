"""What a stage's result depends on besides its inputs: the code that can change a number.

Snakemake does not see an edit to an imported module, so each rule carries a digest. It covers the definitions that a
stage reaches from the modules it starts from: functions, classes and constants, one by one. These do not count:

- comments, docstrings, layout, annotations, import lines and the names of modules;
- definitions that the stage never uses;
- what is said: the words of errors and warnings, of progress and of `print`, and what a thing says of itself;
- classes of settings: their defaults and limits decide what is asked for, which a specification holds;
- `QUIET`: code that keeps, counts, locks and reports, and computes nothing.
"""

import hashlib
import json
import os
from functools import cache

from etsdm.errors import UserError
from etsdm.fingerprint import files
from etsdm.fingerprint.definitions import is_there, reached, read_module, weighed
from etsdm.fingerprint.files import PLUGIN, ROOT

__all__ = ["PLUGIN", "ROOT", "STAGES", "Planned", "check", "code", "digest", "is_same", "reached"]

STAGES = {
    "prepare": ["etsdm.data.prepare"],
    "encoder": [],
    "train": ["etsdm.training.train"],
    "snapshot": ["etsdm.training.take"],
    "sample": ["etsdm.sampling.sample"],
    "excerpt": ["etsdm.data.archive"],
    "restore": ["etsdm.sampling.restore"],
    "features": ["etsdm.metrics.features"],
    "score": ["etsdm.metrics.score"],
    "compare": ["etsdm.metrics.restoration"],
    "probe": [],
    "theory": ["etsdm.probes.theory"],
    "rows": ["etsdm.report.rows"],
    "tables": ["etsdm.report.tables.write"],
    "figure": ["etsdm.report.figures.write"],
    "page": ["etsdm.report.page"],
}
"""The modules each stage starts from, besides those it loads by name."""

DATA = {
    "tables": ["etsdm/report/paper_results.csv"],
    "figure": ["etsdm/report/paper_results.csv"],
    "page": [
        "etsdm/report/paper_results.csv",
        "etsdm/report/templates/report.html.j2",
        "etsdm/report/templates/page.css",
        "etsdm/report/templates/page.js",
        "etsdm/report/templates/vendor/*.js",
    ],
}
"""Files besides modules that a stage reads from the project."""
HANDED_DOWN = "ETSDM_CODES"
"""Environment variable of the codes that a workflow was started with."""


@cache
def digest(stage: str, *loaded: str) -> str:
    """Digest of the code behind a stage.

    Args:
        stage: a key of `STAGES`.
        loaded: modules, or single definitions, that the stage loads by name, and so imports nowhere: a solver's, a
            method's, an encoder's, a figure's.
    """
    definitions = [(read_module(where), name) for where, name in reached(*STAGES[stage], *loaded)]
    parts = sorted({weighed(module, name) for module, name in definitions if module})
    parts += [
        f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}"
        for pattern in DATA.get(stage, ())
        for path in sorted(files.ROOT.glob(pattern))
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def code(stage: str, *loaded: str) -> str:
    """The digest with what it is of, so that `check` can tell later whether the code is still the same.

    Args:
        stage, loaded: see `digest`.
    """
    return " ".join([digest(stage, *loaded), stage, *loaded])


def is_same(noted: str) -> bool:
    """Whether what `code` gave before is what it would give now."""
    before, stage, *loaded = noted.split()
    return stage in STAGES and all(map(is_there, loaded)) and digest(stage, *loaded) == before


class Planned:
    """The codes that a workflow's stages had when it was started.

    A job on another machine plans the workflow again, perhaps hours later. The codes are handed down to it, so that it
    refuses code that was edited in the meantime.

    Args:
        is_start: whether this process is the one that was started, and not one of its jobs.
    """

    def __init__(self, is_start: bool) -> None:
        self._codes = {} if is_start else json.loads(os.environ.get(HANDED_DOWN, "{}"))

    def code(self, stage: str, *loaded: str) -> str:
        """See `code`."""
        key = " ".join([stage, *loaded])
        if key not in self._codes:
            self._codes[key] = code(stage, *loaded)
            os.environ[HANDED_DOWN] = json.dumps(self._codes)
        planned: str = self._codes[key]
        return planned


def check(noted: str) -> None:
    """Refuse to run for a workflow that was planned with other code.

    Raises:
        UserError: the code has changed since `code` noted it.
    """
    if not is_same(noted):
        part = " ".join(noted.split()[1:])
        raise UserError(
            f"the code of {part!r} has changed since the workflow was started, which would take the result for that of "
            "the earlier code; stop the workflow with Ctrl-C and start it again"
        )
