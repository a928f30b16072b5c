"""The decoded images of an archive: those of the archive, made once, never stale; and the batches read from them."""

import multiprocessing
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from etsdm.data import maps as module
from etsdm.data.archive import Pixels, read_images, write_images
from etsdm.data.maps import map_images
from etsdm.errors import UserError
from etsdm.runtime.files import sha256
from etsdm.training.data import Batches


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return written(tmp_path / "images.zip", 0)


def written(path: Path, seed: int, count: int = 23) -> Path:
    write_images(path, np.random.default_rng(seed).integers(0, 256, (count, 4, 4, 3), dtype=np.uint8))
    return path


def mapped(archive: Path) -> Pixels:
    return map_images(archive, sha256(archive))


def maps(archive: Path) -> list[Path]:
    return list(archive.parent.glob("*.npy"))


@pytest.mark.parametrize("part_values", [10**6, 5 * 48, 23 * 48])
def test_the_map_holds_the_images_of_the_archive(
    archive: Path, monkeypatch: pytest.MonkeyPatch, part_values: int
) -> None:
    """In one part or in several, by several processes."""
    monkeypatch.setattr(module, "PART_VALUES", part_values)
    pixels = mapped(archive)
    assert np.array_equal(pixels, read_images(archive))
    assert not pixels.flags.writeable


def test_it_is_made_once(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = mapped(archive)
    monkeypatch.setattr(module, "_write", None)
    assert np.array_equal(mapped(archive), before)


def test_that_of_another_archive_is_not_taken_and_goes(archive: Path) -> None:
    """Though name, size and time are the same."""
    mapped(archive)
    stat = archive.stat()
    content = archive.read_bytes()
    written(archive, 1)
    archive.write_bytes(archive.read_bytes().ljust(len(content)))
    os.utime(archive, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert np.array_equal(mapped(archive), read_images(archive))
    assert len(maps(archive)) == 1


@pytest.mark.parametrize("content", [b"", b"hello", None])
def test_a_damaged_one_is_made_again(archive: Path, content: bytes | None) -> None:
    mapped(archive)
    (file,) = maps(archive)
    file.write_bytes(file.read_bytes()[:-1] if content is None else content)
    assert np.array_equal(mapped(archive), read_images(archive))


def test_one_of_fewer_images_is_made_again(archive: Path) -> None:
    mapped(archive)
    (file,) = maps(archive)
    np.save(file, np.zeros((22, 4, 4, 3), np.uint8))
    assert np.array_equal(mapped(archive), read_images(archive))


def test_images_of_unlike_sizes_are_refused_and_leave_nothing(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PART_VALUES", 1)
    write_images(archive, [np.zeros((side, side, 1), np.uint8) for side in (4, 4, 8)])
    with pytest.raises(UserError, match="unlike sizes"):
        mapped(archive)
    assert not maps(archive)


def test_several_processes_at_a_time_make_it_once(archive: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        arrays = pool.starmap(map_images, [(archive, sha256(archive))] * 6)
    assert all(np.array_equal(each, read_images(archive)) for each in arrays)
    assert len(maps(archive)) == 1


def test_batches_are_the_images_of_one_endless_order_wherever_they_begin(archive: Path) -> None:
    images = mapped(archive)
    batches = Batches(images, 5, 10, slice(2, 7), pinned=False)
    order = np.concatenate([batches.at(position)[:, 0, 0] for position in range(0, 230, 10)])
    for position in (40, 50, 20, 220, 40):  # as after a resumption, too
        read = batches.at(position)
        assert read.dtype == torch.uint8 and read.shape == (5, 4, 4, 3)
        assert np.array_equal(read[:, 0, 0], order[position // 2 :][:5])
    whole = Batches(images, 5, 23, slice(0, 23), pinned=False).at(23)  # an epoch
    assert sorted(map(bytes, whole.numpy())) == sorted(map(bytes, images))
