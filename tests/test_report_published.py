"""The published values beside a cell."""

import math
from typing import Any

import pandas as pd
import pytest
from reports import (
    PUBLISHED,
)

from etsdm.report import published
from etsdm.report.compare import published_effect

ETSDM = '{"t_tilde": 100, "n": 5, "partition": "uniform"}'
LINEAR = {"time": "discrete", "schedule": "linear", "prediction": "eps", "metric": "fid-clean-inception-10k"}
LINEAR |= {"training_times": "uniform", "loss_weight": "none"}
LINEAR |= {"dataset": "any"}


def paper(**where: Any) -> float | None:
    solver = {"solver": "ddim", "solver_parameters": "{}", "nfe": 50}
    cell = LINEAR | {"method": "etsdm", "method_parameters": ETSDM} | solver | where
    return published.published_value(published.read_published(PUBLISHED), pd.Series(cell))


def test_published_gain_is_over_33_percent_where_the_abstract_says_so() -> None:
    for solver, nfe in (("dpm-solver-3", 50), ("dpm-solver-2", 50), ("ddim", 200)):
        where = {"experiment": "fast-sampling", "solver": solver, "nfe": nfe}
        ddpm, etsdm = paper(method="ddpm", method_parameters="{}", **where), paper(**where)
        assert ddpm is not None and etsdm is not None
        assert published_effect(ddpm, etsdm, "fid-clean-inception-10k") == pytest.approx(math.log(etsdm / ddpm))
        assert etsdm / ddpm < 1 - 0.33
        assert paper(method_parameters=ETSDM.replace("100", "200"), **where) is None


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ({"experiment": "schedules"}, 6.62),  # FFHQ, from the rows of `comparison`
        ({"experiment": "schedules", "time": "continuous"}, 6.95),
        ({"experiment": "schedules", "schedule": "cosine", "method": "ddpm", "method_parameters": "{}"}, 27.17),
        ({"experiment": "schedules", "prediction": "v"}, None),
        ({"experiment": "schedules", "loss_weight": "p2-1-1"}, None),
        ({"experiment": "schedules", "metric": "kid-clean-inception-10k"}, None),
        ({"experiment": "predictions"}, None),
        ({"experiment": "alternatives"}, 6.62),
        ({"experiment": "alternatives", "dataset": "celeba-hq"}, 6.99),
        ({"experiment": "alternatives", "dataset": "celeba-hq", "method": "regularization"}, 7.97),
        ({"experiment": "alternatives", "method": "modified-schedule", "schedule": "quadratic"}, 17.48),
        ({"experiment": "alternatives", "method": "remap"}, None),
        ({"experiment": "stability", "metric": "change-predicted", "perturbation_std": 0.1, "t": 100}, 0.021),
        ({"experiment": "stability", "metric": "change-predicted", "perturbation_std": 0.1, "t": 50}, None),
        ({"experiment": "stability", "metric": "change-solved", "perturbation_std": 0.1, "t": 100}, None),
        ({"experiment": "super-resolution", "metric": "psnr"}, 25.61),
        ({"experiment": "super-resolution", "metric": "ssim"}, None),
        ({"experiment": "comparison", "dataset": "ffhq", "solver": "ancestral", "nfe": 1000}, 6.62),
        ({"experiment": "comparison", "dataset": "ffhq", "solver": "ancestral", "nfe": 100}, None),
        ({"experiment": "fast-sampling", "solver": "dpm-solver-3", "nfe": 50}, 13.52),
        (
            {
                "experiment": "fast-sampling",
                "solver": "dpm-solver-3",
                "nfe": 50,
                "solver_parameters": '{"lower_order_final": true}',
            },
            None,
        ),
    ],
)
def test_published_value_beside_a_cell(where: dict[str, Any], value: float | None) -> None:
    assert paper(**where) == value
