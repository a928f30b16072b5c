"""A noise schedule by its name: its formula in discrete and in continuous time."""

from dataclasses import dataclass, replace
from typing import ClassVar, Self

from etsdm.diffusion.schedules.levels import Array, Levels, VariancePreserving
from etsdm.diffusion.schedules.schedule import Schedule


class Family:
    """A formula for noise levels.

    Attributes:
        name: what a configuration calls it.
        order: place among the schedules.
        levels: how sigma depends on alpha.
        ends_in_noise: whether alpha is 0 at its last time, so that sampling starts one step before.
    """

    name: ClassVar[str]
    order: ClassVar[int]
    levels: ClassVar[Levels] = VariancePreserving
    ends_in_noise: ClassVar[bool] = False

    @classmethod
    def log_alphas(cls, timesteps: int, resolution: int, flat_until: float) -> Array:
        """Log alpha at the integers 0 to T - 1, (T,).

        Args:
            timesteps: T.
            resolution: side of the images in pixels.
            flat_until: end of the ramp of a flattened schedule, in steps (see `Schedule.flattened`); 0 for one that is
                not.
        """
        raise NotImplementedError

    @classmethod
    def log_alpha(cls, tau: Array, resolution: int, flat_until: float) -> Array:
        """Log alpha at each tau in (0, 1], like `tau`.

        Args:
            tau: continuous time.
            resolution: side of the images in pixels.
            flat_until: see `log_alphas`; here as a tau.
        """
        raise NotImplementedError

    @classmethod
    def end(cls, resolution: int, flat_until: float) -> float:
        """The last tau of the process, for `resolution` and `flat_until` as in `log_alpha`."""
        return 1.0

    @classmethod
    def is_continuous(cls) -> bool:
        """Whether it has a formula in continuous time."""
        return cls.log_alpha.__func__ is not Family.log_alpha.__func__  # type: ignore[attr-defined]


@dataclass(frozen=True)
class NamedSchedule(Schedule):
    """The schedule of a family.

    Args:
        family: the formula.
        timesteps: T.
        resolution: side of the images in pixels.
        flat_until: end of the ramp of a `flattened` schedule; 0 for one that is not.
    """

    family: type[Family]
    timesteps: int
    resolution: int
    flat_until: float = 0.0

    @property
    def name(self) -> str:  # type: ignore[override]
        """Name of the family."""
        return self.family.name

    @property
    def levels(self) -> Levels:  # type: ignore[override]
        """Those of the family."""
        return self.family.levels

    @property
    def t_stop(self) -> float:
        if not self.flat_until:
            return self.t_min
        steep = replace(self, flat_until=0.0)
        return float(self.t_of_lambda(steep.lambda_(steep.t_stop)))

    def flattened(self, until: float) -> Self:
        return replace(self, flat_until=until)
