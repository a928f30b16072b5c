"""Settings of the experiments: each is a grid of trained models and what is measured of them."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from etsdm.config.strict import MOST_STEPS, Count, Counts, Names, Positive, Steps, Strict, distinct
from etsdm.diffusion.settings import Ddpm, Etsdm, Method, Methods
from etsdm.solvers.settings import AncestralSolver, DdimSolver, Solvers

ScheduleName = Literal["linear", "quadratic", "cosine", "cosine-shift", "zero-terminal-snr"]
TimeName = Literal["discrete", "continuous"]
PredictionName = Literal["eps", "v", "x_0"]
Schedules = Annotated[list[ScheduleName], Field(min_length=1), AfterValidator(distinct)]
Times = Annotated[list[TimeName], Field(min_length=1), AfterValidator(distinct)]
Predictions = Annotated[list[PredictionName], Field(min_length=1), AfterValidator(distinct)]


class _Trained(Strict):
    datasets: Names
    """Names from `datasets`."""
    schedules: Schedules | None = None
    """Noise schedules; null: the one of `diffusion`."""
    times: Times | None = None
    """Discrete or continuous time; null: that of `diffusion`."""
    predictions: Predictions | None = None
    """What the network predicts; null: as in `diffusion`."""


class _Compared(_Trained):
    methods: Methods
    """Methods: a name alone takes that method's defaults."""


class Sampled(_Compared):
    """A grid of models, sampled by each solver and scored by the distances of `evaluation`."""

    solvers: Solvers
    """Solvers, each with its budgets."""


def _one_or_several(value: Any) -> str:
    return SEVERAL if isinstance(value, list) else ONE


ONE, SEVERAL = "one grid", "several grids"
Grids = Annotated[
    Annotated[Sampled, Tag(ONE)] | Annotated[list[Sampled], Field(min_length=1), Tag(SEVERAL)],
    Discriminator(_one_or_several),
]


class Ablation(_Trained):
    """E-TSDM for every t_tilde and n, and ddpm, sampled by each solver."""

    t_tilde: Steps
    """Ends of the shared interval, in steps."""
    n: Steps
    """Numbers of sub-intervals; each must divide each t_tilde."""
    solvers: Solvers
    """Solvers, each with its budgets."""

    @model_validator(mode="after")
    def _divided(self) -> Self:
        for t_tilde in self.t_tilde:
            for n in self.n:
                if t_tilde % n:
                    raise ValueError(f"n = {n} does not divide t_tilde = {t_tilde}")
        return self

    @property
    def methods(self) -> list[Method]:
        """The baseline and each cell of the grid."""
        cells = [Etsdm(name="etsdm", t_tilde=t_tilde, n=n) for t_tilde in self.t_tilde for n in self.n]
        return [Ddpm(name="ddpm"), *cells]


class Pairs(Strict):
    """Of which times, and over how many images, K(t', t) is measured."""

    images: Count
    """Images x_0 over which K is averaged."""
    fine_step: int = Field(10, ge=1, le=MOST_STEPS)
    """Pairs (t - fine_step, t) up to `fine_until`..."""
    fine_until: int = Field(100, ge=1, le=MOST_STEPS)
    """...and (t - coarse_step, t) above."""
    coarse_step: int = Field(100, ge=1, le=MOST_STEPS)
    """Step of the coarse pairs."""
    coarse_until: int = Field(400, ge=1, le=MOST_STEPS)
    """Last t of the coarse pairs."""

    @model_validator(mode="after")
    def _whole_steps(self) -> Self:
        if self.fine_until % self.fine_step or self.fine_until < 2 * self.fine_step:
            raise ValueError(f"fine_until = {self.fine_until} must be two or more times fine_step = {self.fine_step}")
        if self.coarse_until % self.coarse_step:
            raise ValueError(f"coarse_until = {self.coarse_until} is no multiple of coarse_step = {self.coarse_step}")
        return self


class Lipschitz(_Compared, Pairs):
    """The time-Lipschitz constant K(t', t) of each trained network."""


class Perturbations(Strict):
    """How x_t is perturbed, and over how many images."""

    images: Count
    """Images x_0 over which the change is averaged."""
    t: int = Field(100, ge=1, le=MOST_STEPS)
    """Time of the perturbed x_t, in steps."""
    stds: Annotated[list[Positive], AfterValidator(distinct)] = Field([0.01, 0.03, 0.1, 0.2, 0.3], min_length=1)
    """Standard deviations of the added noise."""
    nfe: int = Field(20, ge=1, le=MOST_STEPS)
    """Evaluations of DDIM with which x_0 is solved for."""


class Stability(_Compared, Perturbations):
    """How much the predicted and the fully solved x_0 change when noise is added to x_t."""


class Solutions(Strict):
    """Which solvers are compared with a tight solution, over how many images."""

    images: Count
    """Images over which the distance is averaged."""
    solvers: Solvers
    """Deterministic solvers, each with its budgets; none of them denoises at the end here."""
    reference_nfe: int = Field(600, ge=60, le=MOST_STEPS)
    """Evaluations of the reference, by DPM-Solver++ 3M on steps even in both log-SNR and t."""

    @model_validator(mode="after")
    def _deterministic(self) -> Self:
        for solver in self.solvers:
            if isinstance(solver, AncestralSolver) or (isinstance(solver, DdimSolver) and solver.eta):
                raise ValueError(f"{solver.name} draws noise at each step and so solves no ODE; use another solver")
            if solver.lambda_start is not None:
                raise ValueError("lambda_start: the reference starts at t_max, so each solver must; leave it out")
        return self


class SolverError(_Compared, Solutions):
    """Distance of each solver's x at the end of sampling from a tight solution of the same ODE, from the same noise."""

    @model_validator(mode="after")
    def _of_an_ode(self) -> Self:
        if any(method.name == "shared-noise" for method in self.methods):
            raise ValueError("shared-noise has steps in its noise level, so there is no ODE to solve; leave it out")
        return self


class SuperResolution(Strict):
    """A network that is given a low-resolution image, judged on images it has not seen."""

    train: str
    """Name from `datasets` of the images to train on."""
    test: str
    """Name from `datasets` of the images to restore."""
    factor: int = Field(ge=2, le=1024)
    """How many times smaller the low-resolution images are."""
    methods: Methods
    """Methods: a name alone takes that method's defaults."""
    solvers: Solvers
    """Solvers, each with its budgets."""


class Theory(Strict):
    """On a mixture of Gaussians, where the best noise prediction is exact: its time derivative, and the error bound."""

    schedules: Schedules
    """Noise schedules."""
    times: Times
    """Discrete or continuous time."""
    t_tilde: int = Field(100, ge=1, le=MOST_STEPS)
    """End of the shared interval, in steps."""
    n: Steps = Field([1, 2, 4, 5, 10, 20, 50, 100])
    """Numbers of sub-intervals."""
    points: int = Field(256, ge=2, le=1_000_000)
    """Samples x_t at each time."""


class Resolution(Sampled, Pairs):
    """One data set at several sizes: distances, and K over the square root of the dimension."""

    resolutions: Counts
    """Sides in pixels."""


class Progress(Sampled, Pairs):
    """Distances and K of every snapshot that `training.snapshots` keeps."""


Grid = Sampled | Ablation | Lipschitz | Stability | SolverError | Resolution | Progress
Block = Grid | SuperResolution | Theory


class Experiments(Strict):
    """The experiments to run; two that need the same trained network share it."""

    lipschitz: Lipschitz | None = None
    """Time-Lipschitz curves."""
    datasets: Sampled | None = None
    """E-TSDM against DDPM on each data set."""
    fast_sampling: Sampled | None = Field(None, alias="fast-sampling")
    """Few-step solvers."""
    schedules: Sampled | None = None
    """Noise schedules, in discrete and in continuous time."""
    predictions: Sampled | None = None
    """What the network predicts."""
    alternatives: Grids | None = None
    """Other ways to a bounded Lipschitz constant; several grids, where not every method is wanted on every schedule."""
    ablation: Ablation | None = None
    """E-TSDM's own settings, t_tilde and n."""
    stability: Stability | None = None
    """Perturbed x_t."""
    super_resolution: SuperResolution | None = Field(None, alias="super-resolution")
    """A conditional network."""
    solver_error: SolverError | None = Field(None, alias="solver-error")
    """Why the distances change: the solvers' own errors."""
    resolution: Resolution | None = None
    """The effect against the number of pixels."""
    progress: Progress | None = None
    """The effect against the images seen in training, and the half-life of the averaged weights."""
    theory: Theory | None = None
    """What is known exactly."""

    def asked(self) -> dict[str, list[Block]]:
        """The experiments asked for, by name, in the order above, each as one block or several."""
        fields = type(self).model_fields.items()
        blocks = {field.alias or name: getattr(self, name) for name, field in fields}
        return {name: b if isinstance(b, list) else [b] for name, b in blocks.items() if b is not None}
