"""Costs: time and memory of each kind of run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from etsdm.report.section import Section

if TYPE_CHECKING:
    from etsdm.report.results import Results
    from etsdm.report.tables.table import Table

NAME = "costs"


def table(results: Results) -> Table:
    """A row for each kind of run."""
    from etsdm.report.tables.costs import cost_table

    return cost_table(results, NAME)


def shown(experiments: Sequence[Section]) -> bool:
    """In every report."""
    return True


SECTION = Section(name=NAME, title="Cost", order=1030, table=table, shown=shown)
