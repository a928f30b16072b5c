"""Verdicts: every finding of the report in one table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from etsdm.report.section import Section

if TYPE_CHECKING:
    from etsdm.report.results import Results
    from etsdm.report.tables.table import Table

NAME = "verdicts"


def table(results: Results) -> Table:
    """A row for each finding."""
    from etsdm.report.tables.verdicts import verdict_table

    return verdict_table(results, NAME)


def shown(experiments: Sequence[Section]) -> bool:
    """In every report."""
    return True


SECTION = Section(name=NAME, title="Verdicts", order=5, table=table, shown=shown)
