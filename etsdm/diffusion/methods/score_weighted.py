"""score-weighted: the network learns the score itself, with the weight sigma^2 (asked for by the paper's reviewers)."""

from dataclasses import replace
from typing import Any

from etsdm.diffusion.predictions import SCORE
from etsdm.diffusion.process import Process


def apply(process: Process, settings: dict[str, Any]) -> Process:
    """The process with E sigma_t^2 || F(x_t, t) - grad log q(x_t | x_0) ||^2 as loss, F being the network."""
    return replace(process, prediction=SCORE)
