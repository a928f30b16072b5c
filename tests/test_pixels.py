"""Pixels to network values and back, and how many images fit into a batch."""

import pytest
import torch

from etsdm.data.pixels import from_pixels, to_pixels
from etsdm.runtime.batches import images_within


def test_every_grey_level_comes_back() -> None:
    pixels = torch.arange(256, dtype=torch.uint8).reshape(2, 4, 16, 2)[..., :1]
    x = from_pixels(pixels)
    assert x.shape == (2, 1, 4, 16) and x.min() == -1
    assert torch.equal(to_pixels(x), pixels)
    assert from_pixels(torch.tensor([[[[0]], [[255]]]], dtype=torch.uint8)).flatten().tolist() == [-1, 1]


def test_values_beyond_the_range_are_cut_off_and_halves_go_to_even() -> None:
    x = torch.tensor([-2.0, -1.0, 0.0, 1.0, 1.5]).view(1, 1, 1, 5)
    assert to_pixels(x).ravel().tolist() == [0, 0, 128, 255, 255]


@pytest.mark.parametrize(
    ("values", "shape", "most", "images"),
    [(1000, (1, 8, 8), None, 15), (1000, (1, 8, 8), 4, 4), (63, (1, 8, 8), None, 1), (2**23, (3, 32, 32), 1024, 1024)],
)
def test_a_batch_holds_one_image_at_least_and_no_more_than_fit(values, shape, most, images) -> None:
    assert images_within(values, shape, most) == images
