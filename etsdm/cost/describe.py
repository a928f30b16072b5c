"""What a benchmark asks for and costs, in words and tables, as `etsdm plan` prints it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tabulate import tabulate

from etsdm.cost.disk import count_notes, in_units
from etsdm.cost.estimate import Prices, Row, rows_of, shared_trainings
from etsdm.cost.jobs import distinct, jobs
from etsdm.cost.rates import Rates

if TYPE_CHECKING:
    from etsdm.plan.plan import Plan


def describe(plan: "Plan", rates: Rates | None) -> str:
    """What a benchmark asks for and costs, for people: jobs by rule, then the rest by experiment.

    Args:
        plan: the benchmark's plan; its data need not be there.
        rates: of the device; None: no hours.
    """
    counts, prices = jobs(plan), Prices(plan, rates)
    by_rule = tabulate([*counts.items(), ("total", sum(counts.values()))], ["rule", "jobs"])
    trainings = f"{len(plan.models):,} trainings, {shared_trainings(plan):,} of them shared between experiments."
    return "\n\n".join([by_rule, trainings, _table(rows_of(prices), rates), *_notes(prices)])


def _table(rows: list[Row], rates: Rates | None) -> str:
    table = [
        {
            "experiment": row.experiment,
            "trainings": row.trainings,
            "new": row.new_trainings,
            "sample sets": row.sample_sets,
            "probes": row.probes,
            "hours": _hours(row.seconds),
            "alone": _hours(row.alone),
            "disk": in_units(row.bytes),
            "files": f"{row.files:,}",
            "of these trainings": ", ".join(f"{n} shared with {name}" for name, n in row.shared.items()),
        }
        for row in rows
    ]
    new = sum(row.new_trainings for row in rows)
    table.append(
        {
            "experiment": "total",
            "trainings": new,
            "new": new,
            "sample sets": sum(row.sample_sets for row in rows),
            "probes": sum(row.probes for row in rows),
            "hours": _hours(sum(row.seconds for row in rows)),
            "disk": in_units(sum(row.bytes for row in rows)),
            "files": f"{sum(row.files for row in rows):,}",
        }
    )
    hidden = () if rates else ("hours", "alone")
    shown = [{key: value for key, value in line.items() if key not in hidden} for line in table]
    right = ("left", *["right"] * (len(shown[0]) - 2), "left")
    return tabulate(shown, "keys", colalign=right, disable_numparse=True)


def _notes(prices: Prices) -> Iterator[str]:
    yield "What several experiments share is counted in the first of them in this table."
    notes = count_notes(distinct(prices.plan.measurements, prices.plan.shown()).values())
    yield f"Files are those in results/; Snakemake keeps about {notes:,} small ones more, in .snakemake/."
    if prices.rates:
        yield (
            f"Hours of one device: {prices.rates.device}. `alone`: if it were the only experiment. Not counted: the "
            "start of jobs, the training of encoders, distances, theory and the report."
        )
    else:
        yield "No hours: the configuration has no block `cost`; --measure takes this machine's rates."
    unknown = sorted({run.spec["name"] for run in prices.plan.data.values()} - set(prices.images))
    if unknown:
        yield (
            f"Number of images unknown, so their archives, reference features and restorations are left out: "
            f"{', '.join(unknown)}."
        )
    if prices.parameters:
        yield (
            f"The largest network has {prices.largest:,} parameters; while one is trained, its saved states take up to "
            f"{in_units(prices.states)} more."
        )


def _hours(seconds: float) -> str:
    hours = seconds / 3600
    return f"{hours:,.0f}" if hours >= 100 else f"{hours:.2g}"
