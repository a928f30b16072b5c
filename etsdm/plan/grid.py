"""What of an experiment's grid cannot be run."""

from collections.abc import Sequence

from etsdm.diffusion.schedules import Schedule
from etsdm.diffusion.sharing import most_times
from etsdm.experiments.experiment import Cell
from etsdm.solvers import SOLVERS, Solver
from etsdm.solvers.grids import end, start


def refusal(cell: Cell, solvers: Sequence[Solver] = ()) -> str | None:
    """Why a model cannot be trained, or sampled by these solvers; None if it can.

    What only needs care is not refused: sampling starts at the last step with alpha > 0, where x_t still has a trace of
    x_0 (`Schedule.t_max`), and with noise or score prediction training ends there, too (`Process.last`).
    """
    if reason := cell.diffusion.refusal() or cell.method.refusal(cell.diffusion):
        return reason
    reasons = (_refusal_of(solver, cell) for solver in solvers)
    return next(filter(None, reasons), None)


def _refusal_of(solver: Solver, cell: Cell) -> str | None:
    """Why a solver cannot sample a model; None if it can."""
    schedule, method = cell.schedule, cell.method
    if schedule.shared_edges and solver.stops_inside:
        return (
            f"{solver.name} evaluates the network at noise levels inside its steps, which {method.name} does not "
            f"have; use one of {', '.join(name for name, other in SOLVERS.all().items() if not other.stops_inside)}"
        )
    if reason := solver.too_late(schedule) or solver.too_many(cell.diffusion.timesteps, schedule.whole):
        return reason
    if schedule.shared_edges and max(solver.nfe) > (most := _most_steps(schedule, solver)):
        return (
            f"nfe = {max(solver.nfe)} of {solver.name} is more than the noise levels that {method.slug} has; "
            f"allowed: up to {most:g}"
        )
    return None


def _most_steps(schedule: Schedule, solver: Solver) -> float:
    """The largest budget with which a solver stops at each shared noise level once; see `time_grid`."""
    first, last = start(schedule, solver.lambda_start), end(schedule, solver.t_end)
    times = most_times(schedule.shared_edges, schedule, first, last)
    return times - (not solver.denoise)
