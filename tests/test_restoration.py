"""Restored images against true ones: hand formulas; and the images that a restoring model is given."""

import json
import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image

from etsdm.data.archive import write_images
from etsdm.errors import UserError
from etsdm.metrics.restoration import PSNR_CEILING, compare, ssim_window
from etsdm.models.degradation import low_resolution
from etsdm.runtime.files import read_json, sha256


def pictures(n=6, side=16, channels=3, seed=0):
    """Noise that keeps clear of black and white."""
    shape = (n, side, side, channels)
    return np.random.default_rng(seed).integers(60, 190, shape, dtype=np.uint8)


def compared(folder, restored, truth):
    write_images(folder / "restored.zip", restored)
    write_images(folder / "truth.zip", truth)
    return compare(folder / "restored.zip", folder / "truth.zip", folder / "scores.json")


def test_psnr_is_its_formula(tmp_path):
    restored, truth = pictures(seed=1), pictures()
    squared = ((restored.astype(float) - truth) ** 2).reshape(len(truth), -1).mean(1)
    each = [10 * math.log10(255**2 / error) for error in squared]
    scores = compared(tmp_path, restored, truth)
    assert scores["values"]["psnr"] == pytest.approx(np.mean(each), rel=1e-12)
    assert scores["spread"]["psnr"] == pytest.approx(np.std(each, ddof=1), rel=1e-9)


@pytest.mark.parametrize(("side", "window"), [(4, 3), (5, 5), (7, 7), (8, 7), (16, 7)])
@pytest.mark.parametrize("channels", [1, 3])
def test_ssim_is_its_formula(tmp_path, side, window, channels):
    """Wang et al. (2004), equation 13, over every whole window, with sample covariances."""
    truth = pictures(3, side, channels)
    restored = (truth * 0.7 + pictures(3, side, channels, seed=1) * 0.3).astype(np.uint8)
    assert ssim_window(side, side) == window
    x, y = (sliding_window_view(images.astype(float), (window, window), (1, 2)) for images in (restored, truth))
    n = window * window
    mean_x, mean_y = x.mean((-2, -1)), y.mean((-2, -1))
    covariance = ((x * y).mean((-2, -1)) - mean_x * mean_y) * n / (n - 1)
    variances = x.var((-2, -1), ddof=1) + y.var((-2, -1), ddof=1)
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    ssim = (2 * mean_x * mean_y + c1) * (2 * covariance + c2) / ((mean_x**2 + mean_y**2 + c1) * (variances + c2))
    scores = compared(tmp_path, restored, truth)
    assert scores["values"]["ssim"] == pytest.approx(ssim.mean(), rel=1e-9)
    assert scores["ssim_window"] == window


def test_equal_images_are_perfect_and_the_file_is_plain_json(tmp_path):
    scores = compared(tmp_path, pictures(), pictures())
    assert scores["values"] == pytest.approx({"psnr": PSNR_CEILING, "ssim": 1, "colour-bias": 0})
    assert scores["bias_by_channel"] == [0, 0, 0]
    assert pytest.approx(58.92, abs=0.01) == PSNR_CEILING
    strict = json.loads((tmp_path / "scores.json").read_text(), parse_constant=pytest.fail)
    assert strict == scores


def test_colour_bias_of_an_offset_is_the_offset(tmp_path):
    offset = np.array([12, -3, 0])
    scores = compared(tmp_path, (pictures() + offset).astype(np.uint8), pictures())
    assert scores["bias_by_channel"] == pytest.approx(offset)
    assert scores["values"]["colour-bias"] == pytest.approx(math.sqrt((144 + 9) / 3))
    assert scores["spread"]["colour-bias"] == pytest.approx(0, abs=1e-9)


def test_offsets_of_opposite_sign_cancel_by_channel_but_not_in_magnitude(tmp_path):
    truth = pictures(2)
    restored = (truth + np.array([6, -6])[:, None, None, None]).astype(np.uint8)
    scores = compared(tmp_path, restored, truth)
    assert scores["bias_by_channel"] == pytest.approx([0, 0, 0])
    assert scores["values"]["colour-bias"] == pytest.approx(6)


def test_scores_say_what_was_compared(tmp_path):
    """More than a batch, so that no image is left out."""
    truth = pictures(70, 8)
    restored = pictures(70, 8, seed=1)
    scores = compared(tmp_path, restored, truth)
    assert scores["n"] == 70
    assert scores["reference"] == {"count": 70, "digest": sha256(tmp_path / "truth.zip")}
    assert scores["samples_digest"] == sha256(tmp_path / "restored.zip")
    assert scores == read_json(tmp_path / "scores.json")
    mean = (restored.astype(float) - truth).mean((0, 1, 2))
    assert scores["bias_by_channel"] == pytest.approx(mean)


@pytest.mark.parametrize(
    ("restored", "truth", "message"),
    [
        (pictures(5), pictures(6), r"restored\.zip: holds 5 images, but .*truth\.zip holds 6"),
        (pictures(7), pictures(6), r"restored\.zip: holds 7 images, but .*truth\.zip holds 6"),
        (pictures(6), pictures(6, side=8), r"are 16x16x3, but those of .*truth\.zip are 8x8x3"),
        (pictures(6, channels=1), pictures(6), "are 16x16x1, but"),
        (pictures(1), pictures(1), "needs at least 2"),
    ],
)
def test_unlike_archives_are_refused_and_nothing_is_written(tmp_path, restored, truth, message):
    with pytest.raises(UserError, match=message):
        compared(tmp_path, restored, truth)
    assert not (tmp_path / "scores.json").exists()


def test_comparing_does_not_load_torch():
    code = "import sys, etsdm.metrics.restoration; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# The degradation


def cubic_rows(side: int, factor: int) -> np.ndarray:
    """Matrix (side * factor, side) of cubic convolution (Keys 1981, a = -0.75), the border repeated."""
    matrix = np.zeros((side * factor, side))
    for row in range(side * factor):
        place = (row + 0.5) / factor - 0.5
        for tap in range(math.floor(place) - 1, math.floor(place) + 3):
            d = abs(place - tap)
            near, far = 1.25 * d**3 - 2.25 * d**2 + 1, -0.75 * (d**3 - 5 * d**2 + 8 * d - 4)
            matrix[row, min(max(tap, 0), side - 1)] += near if d <= 1 else far
    return matrix


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_low_resolution_is_block_means_brought_back_bicubically(factor):
    x0 = torch.from_numpy(pictures(2)).permute(0, 3, 1, 2) / 127.5 - 1
    small = 16 // factor
    means = x0.double().numpy().reshape(2, 3, small, factor, small, factor).mean((3, 5))
    up = cubic_rows(small, factor)
    np.testing.assert_allclose(low_resolution(x0, factor), up @ means @ up.T, rtol=0, atol=1e-6)


def test_block_means_are_those_of_the_reduced_data_sets():
    """What an image reduced with PIL, as the photos are, looks like when brought back: equal up to 8-bit rounding."""
    image = pictures(1)[0]
    reduced = np.asarray(Image.fromarray(image).reduce(4))
    up = cubic_rows(4, 4)
    expected = np.einsum("ih,hwc,jw->cij", up, reduced / 127.5 - 1, up)
    blurred = low_resolution(torch.from_numpy(image).permute(2, 0, 1)[None] / 127.5 - 1, 4)
    np.testing.assert_allclose(blurred[0], expected, rtol=0, atol=1.5 * 0.5 / 127.5)


def test_constant_images_are_fixed_points_and_others_are_not_clamped():
    constant = torch.tensor([-1.0, 0.3, 1.0]).view(1, 3, 1, 1).expand(2, 3, 16, 16)
    torch.testing.assert_close(low_resolution(constant, 4), constant, rtol=0, atol=1e-6)
    edge = torch.cat([-torch.ones(1, 1, 16, 8), torch.ones(1, 1, 16, 8)], dim=3)
    assert low_resolution(edge, 4).max() > 1.01
    torch.testing.assert_close(low_resolution(edge, 1), edge)


def test_a_factor_that_does_not_divide_is_refused():
    with pytest.raises(ValueError, match="16x16 pixels cannot be reduced by 3"):
        low_resolution(torch.zeros(1, 1, 16, 16), 3)
