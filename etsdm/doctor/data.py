"""The data sets of a configuration, and the weights that its trainings start from."""

from collections.abc import Iterator

from etsdm.data.registered import files_of
from etsdm.doctor._line import Case, Line
from etsdm.errors import UserError

ORDER = 100


def lines(case: Case) -> Iterator[Line]:
    """One of each data set: how many images it has, or how to get it."""
    if case.plan is None:
        return
    for name in case.plan.config.datasets:
        label = f"data {name}"
        try:
            overview = case.plan.find(name, case.results)
        except UserError as error:
            can_be_fetched = files_of(case.plan.config.datasets[name])
            yield Line(label, "missing", str(error), f"etsdm fetch {case.config}" if can_be_fetched else "")
        else:
            yield Line(label, "fine", f"{overview.images:,} images{', with labels' * overview.labelled}")
    if initial := case.plan.config.training.initial:
        yield _initial(case, initial.weights)


def _initial(case: Case, weights: str) -> Line:
    from etsdm.models.trained import initial_network

    assert case.plan is not None and case.plan.config.training.initial
    try:
        initial_network(case.plan.config.training.initial, *(run.model for run in case.plan.models.values()))
    except UserError as error:
        return Line("initial weights", "missing", str(error))
    return Line("initial weights", "fine", weights)
