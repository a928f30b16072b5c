"""Whether this machine is one for the sizes of a configuration, and how long it takes."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from etsdm.cost.sizes import SMALLEST_FOR_GPU
from etsdm.doctor._line import Case, Line
from etsdm.doctor.gpus import are_wanted

if TYPE_CHECKING:
    from etsdm.plan.plan import Plan

ORDER = 110


def lines(case: Case) -> Iterator[Line]:
    """The device beside the largest images, and the hours where the configuration says how fast the device is."""
    if case.plan is None or not case.plan.models:
        return
    import torch

    side = max(run.model.dataset.resolution for run in case.plan.models.values())
    yield device(side, torch.cuda.is_available(), are_wanted())
    yield Line("hours", "fine", _hours(case.plan) or f"unknown; `etsdm plan {case.config} --measure` estimates them")


def device(side: int, has_gpu: bool, is_wanted: bool) -> Line:
    """The line on a GPU for images of a size.

    Args:
        side: of the largest images in pixels.
        has_gpu: whether PyTorch sees a GPU.
        is_wanted: whether nobody has asked for the CPU.
    """
    label, text = "device", f"images of up to {side} px"
    if has_gpu:
        return Line(label, "fine", f"a GPU for {text}")
    if side < SMALLEST_FOR_GPU:
        return Line(label, "fine", f"the CPU is enough for {text}")
    if not is_wanted:
        return Line(label, "no matter", f"the CPU, as is asked for, for {text}; trainings may take days")
    cure = "a machine with a GPU; ETSDM_DEVICE=cpu, if the CPU is meant"
    return Line(label, "missing", f"no GPU for {text}; a CPU may take days for a training", cure)


def _hours(plan: "Plan") -> str | None:
    from etsdm.cost.estimate import estimate
    from etsdm.cost.rates import given_rates

    if (rates := given_rates(plan)) is None:
        return None
    hours = sum(row.seconds for row in estimate(plan, rates)) / 3600
    return f"about {hours:{',.0f' if hours >= 10 else '.2g'}} of {rates.device}, by the block `cost`"
