"""images.zip: it round-trips, is decoded ahead, and is whole or absent."""

import threading

import numpy as np
import pytest

from etsdm.data.archive import (
    AHEAD,
    count_images,
    encode_png,
    iterate_ahead,
    pieces,
    read_images,
    write_images,
    write_pngs,
)
from etsdm.errors import UserError


def test_archives_round_trip_and_a_damaged_one_is_named(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (5, 4, 4, 3), dtype=np.uint8)
    assert write_images(tmp_path / "a.zip", images) == 5
    assert np.array_equal(read_images(tmp_path / "a.zip"), images)
    assert np.array_equal(read_images(tmp_path / "a.zip", limit=2), images[:2])
    (tmp_path / "b.zip").write_bytes((tmp_path / "a.zip").read_bytes()[:100])
    with pytest.raises(UserError, match=r"b\.zip: not a readable image archive"):
        count_images(tmp_path / "b.zip")


@pytest.mark.parametrize("channels", [1, 3])
def test_images_decoded_ahead_are_the_same_in_the_same_order(tmp_path, channels):
    images = np.random.default_rng(0).integers(0, 256, (100, 4, 6, channels), dtype=np.uint8)
    write_images(tmp_path / "a.zip", images)
    batches = [range(40, 83), *pieces(range(3), 2), range(99, 100), range(83, 99)]
    for batch, pixels in zip(batches, iterate_ahead(tmp_path / "a.zip", batches), strict=True):
        assert np.array_equal(pixels, images[batch])
    assert list(iterate_ahead(tmp_path / "a.zip", [])) == []


def test_decoding_ahead_stays_a_few_batches_ahead_and_ends_when_closed(tmp_path):
    write_images(tmp_path / "a.zip", np.zeros((100, 4, 4, 1), np.uint8))
    begun = []
    threads = threading.active_count()
    batches = iterate_ahead(tmp_path / "a.zip", (begun.append(n) or n for n in pieces(range(100), 2)))
    next(batches)
    assert len(begun) == 1 + AHEAD
    batches.close()
    assert threading.active_count() == threads


def test_a_damaged_image_is_named_when_decoded_ahead(tmp_path):
    pngs = [encode_png(image) for image in np.zeros((40, 8, 8, 1), np.uint8)]
    pngs[33] = pngs[33][:30]
    write_pngs(tmp_path / "a.zip", pngs)
    with pytest.raises(UserError, match=r"a\.zip: 00000033\.png is damaged"):
        list(iterate_ahead(tmp_path / "a.zip", pieces(range(40), 20)))


def test_nothing_stands_under_the_final_name_when_writing_fails(tmp_path):
    def images():
        yield np.zeros((4, 4, 1), np.uint8)
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        write_images(tmp_path / "a.zip", images())
    assert not list(tmp_path.iterdir())
