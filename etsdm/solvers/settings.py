"""Settings of the solvers."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from etsdm.config.strict import Real, Steps, Strict, distinct
from etsdm.solvers import minimum_nfe

GridName = Literal["uniform", "quadratic", "log-snr"]
SolverName = Literal[
    "ddpm", "ddim", "dpm-solver-1", "dpm-solver-2", "dpm-solver-3", "dpm-solver++-2m", "dpm-solver++-3m"
]


class _Solver(Strict):
    name: str
    nfe: Steps
    """Budgets of network evaluations; each becomes a sample set."""
    grid: GridName = "uniform"
    """How the times are spaced: evenly in t, evenly in sqrt(t), or evenly in lambda_t."""
    denoise: bool = False
    """Spend the last evaluation on predicting x_0 at t = 0 (`denoise_to_zero`)."""
    clip_x0: bool | Literal["auto"] = "auto"
    """Clip each predicted x_0 to [-1, 1]. auto: where the network predicts the noise or the score and lambda at the
    start is below -6, because there x_0 is what is left after a division by next to nothing."""
    lambda_start: Real | None = Field(None, lt=-3)
    """Start sampling where lambda_t is this, if t_max is noisier; null: at t_max. The authors of DPM-Solver start at
    -5.1. The noise is standard normal all the same, so it must be below -3, where alpha is 0.05."""

    @model_validator(mode="after")
    def _enough_evaluations(self) -> Self:
        least = minimum_nfe(self.name, self.denoise, getattr(self, "lower_order_final", False))
        for nfe in self.nfe:
            if nfe < least:
                raise ValueError(f"nfe = {nfe} is too few: {self.name} with these settings needs at least {least}")
        return self


class AncestralSolver(_Solver):
    """Ancestral sampling of Ho et al. (2020), respaced; it always ends with the predicted x_0."""

    name: Literal["ddpm"]
    denoise: Literal[True] = True
    """Ancestral sampling always ends with the predicted x_0."""
    clip_x0: bool | Literal["auto"] = True
    """As for other solvers; here it is on unless another answer is given."""
    variance: Literal["fixed-small", "fixed-large"] = "fixed-large"
    """The posterior variance (small) or beta_t (large)."""


class DdimSolver(_Solver):
    """DDIM (Song et al. 2021)."""

    name: Literal["ddim"]
    denoise: bool = True
    """End with the predicted x_0, as DDIM does."""
    eta: Real = Field(0.0, ge=0, le=1)
    """0: deterministic; 1: ancestral."""


class FirstOrderSolver(_Solver):
    """DPM-Solver of order 1 (Lu et al. 2022)."""

    name: Literal["dpm-solver-1"]


class _HighOrder(_Solver):
    lower_order_final: bool = False
    """Let the last step be of order 1, against the instability near t = 0."""


class SinglestepSolver(_HighOrder):
    """DPM-Solver of orders 2 and 3 (Lu et al. 2022), singlestep."""

    name: Literal["dpm-solver-2", "dpm-solver-3"]
    inner_times: Literal["grid", "log-snr"] = "grid"
    """How the times inside a step are spaced: as those of `grid`, which the authors' code does, or evenly in lambda_t.
    With `grid: log-snr` both are the same."""


class MultistepSolver(_HighOrder):
    """DPM-Solver++ (Lu et al. 2022), multistep, 2M and 3M."""

    name: Literal["dpm-solver++-2m", "dpm-solver++-3m"]


Solver = Annotated[
    AncestralSolver | DdimSolver | FirstOrderSolver | SinglestepSolver | MultistepSolver, Field(discriminator="name")
]
Solvers = Annotated[list[Solver], Field(min_length=1), AfterValidator(distinct)]
