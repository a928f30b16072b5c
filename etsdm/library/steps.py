"""Which of a sampler's steps share a condition."""

from typing import Any, NamedTuple

import torch

from etsdm.library.times import share_timesteps


class Step(NamedTuple):
    """A step of a sampler.

    Args:
        timestep: its true time.
        condition: the time that the network is told.
    """

    timestep: float
    condition: float


class Steps(list[Step]):
    """The steps of a sampler in its order. Printed, it shows those that are told another time, or share one."""

    def __repr__(self) -> str:
        groups: dict[float, list[str]] = {}
        for step in self:
            groups.setdefault(step.condition, []).append(f"{step.timestep:g}")
        changed = {step.condition for step in self if step.condition != step.timestep}
        own = sum(step.condition not in changed for step in self)
        rows = [f"{condition:9g}  {', '.join(groups[condition])}" for condition in sorted(changed, reverse=True)]
        rest = f"{own} of {len(self)} steps are told their own timestep"
        return "\n".join(["condition  timesteps", *rows, rest] if rows else [rest])


def step_conditions(scheduler: Any, t_tilde: int = 100, n: int = 5) -> Steps:
    """What E-TSDM tells the network in each step of a scheduler.

    Args:
        scheduler: one of diffusers, after `set_timesteps`, or anything else with `timesteps`, a tensor or a list.
        t_tilde: see `share_timesteps`.
        n: see `share_timesteps`.

    Returns:
        Rows of (timestep, condition) in the order of the steps.

    Raises:
        TypeError: the scheduler has no timesteps.
        ValueError: see `share_timesteps`; negative timesteps are no times.
    """
    timesteps = getattr(scheduler, "timesteps", None)
    if timesteps is None:
        raise TypeError(f"{type(scheduler).__name__} has no timesteps: call its set_timesteps(...) first")
    times = torch.as_tensor(timesteps)
    return Steps(map(Step, times.tolist(), share_timesteps(times, t_tilde, n).tolist()))
