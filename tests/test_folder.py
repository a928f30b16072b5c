"""A folder of images: pixels, labels, cropping and resizing, and what is refused."""

import numpy as np
import pytest
from click.testing import CliRunner
from data_sets import block_means, folder_spec, prepared, write_photos
from PIL import ExifTags, Image

from etsdm.cli import main
from etsdm.data.sources import check_source, fingerprint
from etsdm.errors import UserError
from etsdm.runtime.files import write_json


@pytest.fixture
def photos(tmp_path):
    return write_photos(tmp_path / "photos")


def test_folder_keeps_pixels_and_takes_labels_from_sub_folders(tmp_path, photos):
    described, images = prepared(folder_spec(photos), tmp_path / "out")
    assert described["classes"] == ["cat", "dog"]
    assert described["labels"] == [0, 0, 0, 1, 1, 1]
    assert np.array_equal(images[4], np.asarray(Image.open(photos / "dog" / "1.png")))


def test_folder_without_sub_folders_has_no_labels(tmp_path, photos):
    described, images = prepared(folder_spec(photos / "cat", channels=1), tmp_path / "out")
    assert described["labels"] is None
    assert images.shape == (3, 16, 16, 1)


@pytest.mark.parametrize(("size", "square"), [((40, 32), (4, 0)), ((33, 64), (0, 15)), ((32, 32), (0, 0))])
def test_folder_cuts_the_middle_and_takes_block_means(tmp_path, size, square):
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    left, top = square
    side = min(size)
    middle = pixels[None, top : top + side, left : left + side]
    _, whole = prepared(folder_spec(tmp_path, side, resize="box"), tmp_path / "whole")
    assert np.array_equal(whole, middle)
    if side == 32:
        _, smaller = prepared(folder_spec(tmp_path, 8, resize="box"), tmp_path / "smaller")
        assert np.abs(smaller - block_means(middle, 4)).max() <= 1  # PIL rounds after either axis


def test_lanczos_lets_nothing_alias(tmp_path):
    """A checkerboard of single pixels, finer than the small image can show, becomes its mean."""
    board = (np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8)
    Image.fromarray(board).save(tmp_path / "a.png")
    _, images = prepared(folder_spec(tmp_path, 16, channels=1, resize="lanczos"), tmp_path / "out")
    assert np.abs(images[0, 2:-2, 2:-2] - 127.5).max() <= 2


def test_resized_photos_stand_upright(tmp_path):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6  # the camera was turned: the picture's top is the right side of the file
    pixels = np.zeros((16, 16, 3), np.uint8)
    pixels[:8] = 255
    (tmp_path / "in").mkdir()
    Image.fromarray(pixels).save(tmp_path / "in" / "a.png", exif=exif)
    _, images = prepared(folder_spec(tmp_path / "in", resize="box"), tmp_path / "out")
    assert np.array_equal(images[0], np.rot90(pixels, -1))


def test_a_folder_that_is_not_there_has_no_fingerprint(tmp_path):
    assert fingerprint(folder_spec(tmp_path / "nowhere")) is None
    with pytest.raises(UserError, match="no folder"):
        check_source("mine", folder_spec(tmp_path / "nowhere"))


def test_the_fingerprint_sees_files_come_and_go_and_change(photos):
    before = fingerprint(folder_spec(photos))
    assert fingerprint(folder_spec(photos)) == before
    (photos / "cat" / "0.png").touch()
    touched = fingerprint(folder_spec(photos))
    assert touched != before
    (photos / "cat" / "0.png").unlink()
    assert fingerprint(folder_spec(photos)) != before


def corrupt(photos):
    (photos / "cat" / "1.png").write_bytes((photos / "cat" / "1.png").read_bytes()[:200])
    return folder_spec(photos), "1.png: not a readable image"


def text_file(photos):
    (photos / "cat" / "1.png").write_text("hello")
    return folder_spec(photos), "1.png: not a readable image"


def unlike(photos):
    Image.new("RGB", (16, 12)).save(photos / "dog" / "2.png")
    return folder_spec(photos), "2.png: is 16x12 pixels, but the data set's resolution is 16; all images must be square"


def too_small(photos):
    Image.new("RGB", (40, 15)).save(photos / "dog" / "2.png")
    return folder_spec(photos, resize="lanczos"), "2.png: is 40x15 pixels, but the data set's resolution is 16 and"


def missing(photos):
    return folder_spec(photos / "nowhere"), "datasets.mine.path: no folder"


def empty(photos):
    (photos / "empty").mkdir()
    return folder_spec(photos / "empty"), "datasets.mine.path: no images in"


@pytest.mark.parametrize("damage", [corrupt, text_file, unlike, too_small, missing, empty])
def test_bad_sources_stop_with_exit_code_2_and_leave_nothing(tmp_path, photos, damage):
    spec, message = damage(photos)
    write_json(tmp_path / "spec.json", spec)
    out = tmp_path / "out"
    done = CliRunner().invoke(main, ["prepare", "--spec", str(tmp_path / "spec.json"), "--out", str(out)])
    assert done.exit_code == 2
    errors = [line for line in done.output.splitlines() if line.startswith("etsdm: error: ")]
    assert len(errors) == 1
    assert message in errors[0]
    assert "Traceback" not in done.output
    assert [path.name for path in out.glob("*")] in ([], [".manifest.attempts.jsonl"])


def test_too_few_images_for_the_metrics_are_refused_before_any_job(photos):
    with pytest.raises(UserError, match="6 images are too few; the metrics in evaluation need at least 65"):
        check_source("mine", folder_spec(photos), 65)
