"""score-weighted: the network learns the score itself, with the weight sigma^2 (asked for by the paper's reviewers)."""

from dataclasses import replace
from typing import Any

from etsdm.diffusion.predictions import SCORE, SCORE_OVER_SIGMA
from etsdm.diffusion.process import Process

OUTPUTS = {"raw": SCORE, "over-sigma": SCORE_OVER_SIGMA}


def apply(process: Process, settings: dict[str, Any]) -> Process:
    """The process with E sigma_t^2 || s(x_t, t) - grad log q(x_t | x_0) ||^2 as loss.

    The score s is the network's output F with `output` raw, and F / sigma_t with over-sigma. Over-sigma is ddpm with
    the sign of F turned, so raw differs from ddpm by the scaling of the output alone. Without `output`, as in older
    weights, it is raw.
    """
    return replace(process, prediction=OUTPUTS[settings.get("output", "raw")])
