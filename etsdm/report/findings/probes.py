"""Findings of the probes and of super-resolution: E-TSDM against ddpm."""

from etsdm.report.findings.finding import Claim, Finding, against_ddpm
from etsdm.report.results import Results

STABILITY = Claim(
    "stability",
    "predicted x_0 more stable",
    "The x_0 that E-TSDM predicts changes less when x_t is perturbed.",
    primary=True,
)
SOLVED = Claim(
    "stability",
    "solved x_0 more stable",
    "Does the x_0 that a solver ends at change less under E-TSDM? (Yes: lower.)",
    question=True,
)
PSNR = Claim("super-resolution", "PSNR higher", "E-TSDM raises the PSNR of super-resolution.", primary=True)
BIAS = Claim("super-resolution", "colour bias lower", "E-TSDM lowers the colour bias of super-resolution.")
SOLVER_ERROR = Claim(
    "solver-error",
    "solvers nearer to the solution",
    "Does E-TSDM bring the solvers nearer to the exact solution? (Yes: lower.)",
    question=True,
    primary=True,
)
CLAIMS = (STABILITY, SOLVED, PSNR, BIAS, SOLVER_ERROR)


def stability(results: Results) -> list[Finding]:
    """Changes of the predicted and of the solved x_0."""
    return [
        *against_ddpm(results, STABILITY, ["change-predicted"]),
        *against_ddpm(results, SOLVED, ["change-solved"]),
    ]


def super_resolution(results: Results) -> list[Finding]:
    """PSNR and colour bias."""
    return [*against_ddpm(results, PSNR, ["psnr"]), *against_ddpm(results, BIAS, ["colour-bias"])]


def solver_error(results: Results) -> list[Finding]:
    """Distances to the exact solution."""
    return against_ddpm(results, SOLVER_ERROR, ["solver-error"])
