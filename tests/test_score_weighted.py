"""A network whose output is a score: the loss and the noise of DDPM with the sign turned."""

import pytest
from method_specs import DIFFUSION, process
from typed import process_with

from etsdm.models.trained import starts_at_high_noise


def test_score_weights_of_before_the_output_was_named_are_raw():
    old, new = ({"name": "score-weighted"} | more for more in ({}, {"output": "raw"}))
    assert process_with(DIFFUSION, old) == process_with(DIFFUSION, new) == process({"name": "score-weighted"})


@pytest.mark.parametrize("output", ["raw", "over-sigma"])
def test_scores_are_clipped_where_noise_is(output):
    settings = {"name": "score-weighted", "output": output}
    assert starts_at_high_noise(process(settings, schedule="cosine"))
    assert not starts_at_high_noise(process(settings))
