"""The weights of encoders that are not trained by the workflow, such as the Inception network of FID."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from etsdm.doctor._line import Case, Line
from etsdm.metrics.encoders import ENCODERS

if TYPE_CHECKING:
    from etsdm.metrics.encoders import Encoder

ORDER = 90


def lines(case: Case) -> Iterator[Line]:
    """Of the encoders that the configuration names; without one, of all."""
    if case.plan is None:
        for name, encoder in ENCODERS.all().items():
            if not encoder.needs_labels:
                yield of_one(ENCODERS.read({"name": name}), None, case.config)
        return
    for run in case.plan.encoders.values():
        if not run.needs:
            settings = ENCODERS.read(run.spec)
            yield of_one(settings, case.results / run.path / settings.file, case.config)


def of_one(encoder: "Encoder", fetched: Path | None, config: str) -> Line:
    """The line on an encoder.

    Args:
        encoder: its settings.
        fetched: where a configuration keeps its weights; None without one, when nothing is needed.
        config: the configuration, for the command that fetches them.
    """
    label, file = f"weights of {encoder.name}", encoder.local()
    if missing := encoder.missing():
        return Line(label, "missing", missing)
    if fetched and fetched.is_file():
        return Line(label, "fine", "in the results folder")
    if file and file.is_file():
        return Line(label, "fine", f"on this machine, in {file}")
    cure = f"etsdm fetch {config}; where jobs have internet, they fetch it themselves"
    return Line(label, "missing" if fetched else "no matter", "not on this machine", cure)
