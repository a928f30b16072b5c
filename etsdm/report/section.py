"""What a section of the report is made of: its figures, its table and its claims. One file a section states them.

Such a file is read by everything that plans a report, so it imports what is slow to load inside its functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Content = dict[str, Any]
"""What a result file holds."""
Results = Any
"""Type `etsdm.report.results.Results`, from which sections make all they show. It is not imported, as it needs them."""
Values = list[dict[str, Any]]
"""Columns of rows, one entry a row."""
Topic = Literal["effect", "gain", "cause"]


@dataclass(frozen=True)
class Claim:
    """What the paper claims, or what this benchmark asks.

    Attributes:
        experiment: the experiment that tells.
        short: a few words, for a list of claims.
        text: one sentence.
        question: whether it is ours and not the paper's; `same direction` then means yes.
        primary: whether it is the one claim of its experiment that is tested without a correction.
        control: whether its answer is known beforehand, and tells how far verdicts can be trusted.
        gain: whether it is one of the paper's claims that the distance to the data falls.
        topic: what it tells of E-TSDM, where that is not what its section tells; see `Section`.
    """

    experiment: str
    short: str
    text: str
    question: bool = False
    primary: bool = False
    control: bool = False
    gain: bool = False
    topic: Topic | None = None

    @property
    def label(self) -> str:
        """The few words, a question marked as one."""
        return f"{self.short}?" if self.question and not self.control else self.short


@dataclass(frozen=True)
class Figure:
    """A figure of a section.

    Attributes:
        name: name of its files.
        title: its heading.
        alt: what it shows, for those who cannot see it.
        draw: function of the section's file that draws it as a figure of matplotlib's.
        caption: sentences on settings, on how the numbers were made, and on cost.
        picture: whether it holds images themselves and not only drawings of numbers.
        dpi: dots per inch of the PNG.
        picker: function that gives the images which the page lets a reader choose from, as a `Picker`; the page then
            shows these instead of the figure, whose files remain.
    """

    name: str
    title: str
    alt: str
    draw: Callable[[Results], Any]
    caption: Callable[[Results], list[str]]
    picture: bool = False
    dpi: int = 200
    picker: Callable[[Results], Any] | None = None


@dataclass(frozen=True)
class Section:
    """A section of the report, of an experiment or of all of them.

    Attributes:
        name: the experiment's name in a configuration; the name of the section's table.
        title: its heading.
        order: its place among the sections: lower numbers come first.
        topic: what its findings tell of E-TSDM: its effect on the network, its gain in the images, or what explains it.
        figures: its figures.
        table: function of the section's file that builds its `Table`.
        claims: what its findings are about.
        findings: function that judges `claims`, as a list of `Finding`; the first one on a primary claim is tested
            alone.
        published: function that picks the published rows which match a cell beyond method, schedule and time.
        values: kinds of measurement that this file explains, each with a function from the content of a result file to
            columns of rows. Its argument is None where the file is missing; it then gives the metrics alone.
        samples: whether its generated images are shown.
        trains: whether it trains networks.
        judges: whether its figures and its table show the findings of all sections.
        shown: for a section that is no experiment, whether a report of these experiments has it.
    """

    name: str
    title: str
    order: int
    topic: Topic | None = None
    figures: tuple[Figure, ...] = ()
    table: Callable[[Results], Any] | None = None
    claims: tuple[Claim, ...] = ()
    findings: Callable[[Results], list[Any]] | None = None
    published: Callable[[list[dict[str, Any]], Any], list[dict[str, Any]]] | None = None
    values: Mapping[str, Callable[[Content | None], Values]] = field(default_factory=dict)
    samples: bool = False
    trains: bool = True
    judges: bool = False
    shown: Callable[[Sequence[Section]], bool] | None = None
