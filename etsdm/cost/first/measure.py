"""The rates of this machine, for a moment's work."""

from typing import TYPE_CHECKING, Literal

from etsdm.cost.first.choose import encoder_for
from etsdm.cost.first.draft import Draft
from etsdm.cost.first.machine import Machine, sizes_for
from etsdm.cost.first.rounding import step_below
from etsdm.cost.rates import Rates, Speed, measure_rates
from etsdm.plan.plan import make_plan

if TYPE_CHECKING:
    from etsdm.cost.sizes import Size
    from etsdm.data.look import Pictures

FEATURES = 10.0
"""Images a second of one thread of a CPU through the Inception network, where nothing needs it: docs/performance.md."""


def measure(pictures: "Pictures", device: str, progress: bool = True) -> Machine:
    """The rates of this machine, rounded down. On a CPU they are those of one thread, as each job has it.

    Args:
        pictures: to whose sizes the rates belong; random images stand in for them.
        device: `auto`, `cpu`, `cuda`, ...
        progress: show progress bars.
    """
    import torch

    from etsdm.runtime.devices import pick_device
    from etsdm.runtime.workers import cpus

    where = pick_device(device)
    has_gpu, threads = where.type != "cpu", torch.get_num_threads()
    if not has_gpu:
        torch.set_num_threads(1)
    try:
        sizes, encoder = sizes_for(pictures, has_gpu), encoder_for(pictures, has_gpu)
        rates = {size.side: _rates(pictures, size, encoder, device, progress) for size in sizes}
    finally:
        torch.set_num_threads(threads)
    speeds = {side: _rounded(speed) for side, rate in rates.items() for speed in rate.speeds.values()}
    slowest = min((rate.features["inception"] for rate in rates.values() if rate.features), default=FEATURES)
    name = next(iter(rates.values())).device if has_gpu and rates else "this machine's processors, measured"
    return Machine(name, 1 if has_gpu else cpus(), speeds, step_below(slowest), has_gpu)


def _rates(
    pictures: "Pictures", size: "Size", encoder: Literal["classifier", "inception"], device: str, progress: bool
) -> Rates:
    standing_in = Machine("not measured yet", 1, {size.side: Speed(1.0, 1.0)}, 1.0)
    draft = Draft("init", pictures, standing_in, size, 1, encoder, 2_500, size.enough)
    return measure_rates(make_plan(draft.values(), "the draft", look=False), device, progress)


def _rounded(speed: Speed) -> Speed:
    return Speed(step_below(speed.train), step_below(speed.sample))
