"""score-weighted: the network learns the score itself, with the weight sigma^2 (asked for by the paper's reviewers)."""

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

from etsdm.diffusion.methods.method import Method
from etsdm.diffusion.predictions import SCORE, SCORE_OVER_SIGMA
from etsdm.diffusion.process import Process

if TYPE_CHECKING:
    from etsdm.diffusion.settings import Diffusion


class ScoreWeighted(Method):
    """The network learns the score instead of the noise, with the weight sigma^2."""

    order: ClassVar[int] = 70

    name: Literal["score-weighted"]
    output: Literal["raw", "over-sigma"] = "raw"
    """The score is the network's output, or its output divided by sigma_t; the latter is ddpm with its sign turned."""

    @property
    def slug(self) -> str:
        """Readable part of a path."""
        return "score-weighted" if self.output == "raw" else f"score-weighted-{self.output}"

    def refusal(self, diffusion: "Diffusion") -> str | None:
        """Where the network is to predict something else as well."""
        if diffusion.prediction == "eps":
            return None
        return (
            f"score-weighted learns the score, so it cannot predict {diffusion.prediction} as well; "
            "use it with prediction eps"
        )


OUTPUTS = {"raw": SCORE, "over-sigma": SCORE_OVER_SIGMA}


def apply(process: Process, settings: ScoreWeighted) -> Process:
    """The process with E sigma_t^2 || s(x_t, t) - grad log q(x_t | x_0) ||^2 as loss.

    The score s is the network's output F with `output` raw, and F / sigma_t with over-sigma. Over-sigma is ddpm with
    the sign of F turned, so raw differs from ddpm by the scaling of the output alone.
    """
    return replace(process, prediction=OUTPUTS[settings.output])
