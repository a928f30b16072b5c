"""How near restored images come to the true ones. Kept free of torch: scoring runs as many short processes."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from etsdm.data.archive import Pixels, count_images, iterate_images
from etsdm.errors import UserError
from etsdm.runtime.files import sha256, write_json

PSNR_CEILING = 10 * float(np.log10(12 * 255**2))
"""58.9 dB: the PSNR of an error of 1/12 grey level squared, which rounding to 8 bits makes by itself. Nothing counts as
more, so that an image restored exactly leaves the mean finite."""

BATCH = 64


def ssim_window(height: int, width: int) -> int:
    """Side in pixels of SSIM's window: 7, or the largest odd number that fits into the image."""
    side = min(height, width)
    return min(7, side - 1 + side % 2)


def psnr(restored: Pixels, truth: Pixels) -> float:
    """Peak signal-to-noise ratio of one image (H, W, C) in dB: 10 log10(255^2 / MSE), at most `PSNR_CEILING`."""
    with np.errstate(divide="ignore"):
        return min(PSNR_CEILING, float(peak_signal_noise_ratio(truth, restored, data_range=255)))


def ssim(restored: Pixels, truth: Pixels) -> float:
    """Structural similarity of one image (H, W, C), mean over its channels (Wang et al. 2004, equation 13).

    With a uniform window of `ssim_window` pixels, as scikit-image has it: the Gaussian one of the paper needs 11.
    """
    window = ssim_window(*truth.shape[:2])
    return float(structural_similarity(truth, restored, win_size=window, channel_axis=-1, data_range=255))


def colour_offset(restored: Pixels, truth: Pixels) -> NDArray[np.float64]:
    """Mean over the pixels of restored - true for one image (H, W, C): (C,), in grey levels of 255."""
    offset: NDArray[np.float64] = (restored.astype(np.float64) - truth).mean((0, 1))
    return offset


def _common_count(restored: Path, truth: Path) -> int:
    restored_count, truth_count = count_images(restored), count_images(truth)
    if restored_count != truth_count:
        raise UserError(
            f"{restored}: holds {restored_count} images, but {truth} holds {truth_count}; restore all of them"
        )
    if restored_count < 2:
        raise UserError(f"{restored}: the spread over images needs at least 2 of them, not {restored_count}")
    return restored_count


def _pairs(restored: Path, truth: Path) -> list[tuple[float, float, NDArray[np.float64]]]:
    """PSNR, SSIM and colour offset of each image."""
    measured = []
    batches = (iterate_images(path, BATCH) for path in (restored, truth))
    for mine, true in zip(*batches, strict=True):
        if mine.shape != true.shape:
            sizes = ["x".join(map(str, pixels.shape[1:])) for pixels in (mine, true)]
            raise UserError(f"{restored}: the images are {sizes[0]}, but those of {truth} are {sizes[1]}")
        measured += [(psnr(a, b), ssim(a, b), colour_offset(a, b)) for a, b in zip(mine, true, strict=True)]
    return measured


def compare(restored: Path, truth: Path, out: Path) -> dict[str, Any]:
    """Compare each restored image with the true one at its place, and write the scores to `out`.

    `colour-bias` is the root mean square, over images and channels, of an image's mean difference; the bias by
    channel keeps its sign. Both are in grey levels of 255. `spread` is the standard deviation over images; for the
    colour bias it is that of each image's root mean square over channels.

    Args:
        restored: archive of the restored images, at least two.
        truth: archive of as many true images, in the same order.
        out: `scores.json`.

    Returns:
        {"n", "reference": {"count", "digest"}, "samples_digest", "values": {metric: value}, "spread": {metric: sd},
        "bias_by_channel": [one a channel], "ssim_window"}; the digests are the archives' SHA-256.

    Raises:
        UserError: an archive is missing or damaged, or their images are not of the same number and size.
    """
    count = _common_count(restored, truth)
    psnrs, ssims, offsets = map(np.array, zip(*_pairs(restored, truth), strict=True))
    by_image = {"psnr": psnrs, "ssim": ssims, "colour-bias": np.sqrt((offsets**2).mean(1))}
    height, width = next(iterate_images(truth, 1)).shape[1:3]
    scores = {
        "n": count,
        "reference": {"count": count, "digest": sha256(truth)},
        "samples_digest": sha256(restored),
        "values": {
            "psnr": float(psnrs.mean()),
            "ssim": float(ssims.mean()),
            "colour-bias": float(np.sqrt((offsets**2).mean())),
        },
        "spread": {metric: float(values.std(ddof=1)) for metric, values in by_image.items()},
        "bias_by_channel": offsets.mean(0).tolist(),
        "ssim_window": ssim_window(height, width),
    }
    write_json(out, scores)
    return scores
