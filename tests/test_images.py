"""What is made of the files people really have: other depths, transparency, rotations, hidden files, links."""

import io
import json
import os
import struct
import tarfile
import warnings
import zipfile
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from PIL import EpsImagePlugin, ExifTags, Image, ImageOps, PngImagePlugin

from etsdm.data.area import area_mean
from etsdm.data.files import why_not
from etsdm.data.images import decode
from etsdm.data.labels import find_labels, folder_labels
from etsdm.data.originals import Remark
from etsdm.data.sources.folder import fingerprint, list_folder, load
from etsdm.data.sources.folder import inspect as inspect_folder
from etsdm.data.sources.zip import inspect
from etsdm.data.sources.zip import load as load_zip
from etsdm.errors import UserError

SPEC = {"resolution": 4, "channels": 1, "resize": None}
RAMP = np.arange(16).reshape(4, 4)


def encoded(image: Image.Image, kind: str = "PNG", **options) -> tuple[str, bytes]:
    content = io.BytesIO()
    image.save(content, kind, **options)
    return "picture", content.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_become_eight(kind: str) -> None:
    """65,535 is 257 times 255, so that black and white stay what they are."""
    item = encoded(Image.fromarray((RAMP * 4369).astype(np.uint16)), kind)
    assert decode(SPEC, item)[..., 0].tolist() == (RAMP * 17).tolist()


@pytest.mark.parametrize("values", [np.int32, np.float32])
def test_values_of_no_known_range_are_refused(values: type) -> None:
    with pytest.raises(UserError, match=r"picture: not a readable image .*32 bits.* fix or remove it"):
        decode(SPEC, encoded(Image.fromarray(RAMP.astype(values)), "TIFF"))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("palette", [False, True])
def test_what_is_transparent_is_white_whatever_colour_lies_there(channels: int, palette: bool) -> None:
    image = Image.new("RGBA", (4, 4), (255, 0, 255, 0))
    image.putpixel((0, 0), (0, 0, 0, 255))
    image = image.quantize(2) if palette else image
    expected = np.full((4, 4, channels), 255)
    expected[0, 0] = 0
    assert decode(SPEC | {"channels": channels}, encoded(image)).tolist() == expected.tolist()


@pytest.mark.parametrize("resize", [None, "lanczos"])
def test_pictures_stand_upright(resize: str | None) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    item = encoded(Image.fromarray((RAMP * 17).astype(np.uint8)), exif=exif)
    assert decode(SPEC | {"resize": resize}, item)[..., 0].tolist() == np.rot90(RAMP * 17, -1).tolist()


PLAIN = np.arange(16, dtype=np.uint8).reshape(4, 4) * 17


def tiff(*entries: tuple[int, int, bytes]) -> bytes:
    """An EXIF block of (tag, kind, content of one value)."""
    head = b"Exif\0\0II*\0" + (8).to_bytes(4, "little") + len(entries).to_bytes(2, "little")
    fields = (struct.pack("<HHI", tag, kind, 1) + content.ljust(4, b"\0") for tag, kind, content in entries)
    return head + b"".join(fields) + bytes(4)


SIX = (0x0112, 3, b"\6\0")


@pytest.mark.parametrize(
    ("exif", "turns", "warned"),
    [
        (tiff(SIX), -1, False),
        (tiff(SIX, (0x013B, 5, b"\x08")), -1, False),  # the artist's name as a fraction
        (tiff((0x0112, 5, b"\x08")), 0, True),  # the orientation as a fraction
        (tiff(SIX)[:19], 0, True),
        (b"\x00\x08\x00\x02garbage-garbage", 0, True),
        (b"Exif\0\0", 0, False),
    ],
)
def test_a_picture_with_broken_exif_data_is_taken_as_it_lies_and_told(exif: bytes, turns: int, warned: bool) -> None:
    item = encoded(Image.fromarray(PLAIN), exif=exif)
    with warnings.catch_warnings(record=True) as remarks:
        warnings.simplefilter("always")
        assert decode(SPEC, item)[..., 0].tolist() == np.rot90(PLAIN, turns).tolist()
    assert [str(warning.message) for warning in remarks] == [
        "taken as they lie, because their EXIF data are broken: picture"
    ] * warned
    assert all(warning.category is Remark for warning in remarks)


@pytest.mark.parametrize("orientation", range(10))
def test_every_orientation_is_brought_upright_as_pillow_does(orientation: int) -> None:
    image = Image.fromarray(PLAIN)
    image.getexif()[ExifTags.Base.Orientation] = orientation
    expected = np.asarray(ImageOps.exif_transpose(image)).tolist()
    assert decode(SPEC, encoded(image, exif=image.getexif()))[..., 0].tolist() == expected


def test_a_png_with_much_metadata_is_read() -> None:
    """As editors write it: more than 1 MiB once unpacked, where Pillow stops."""
    text = PngImagePlugin.PngInfo()
    text.add_text("history", "a" * 3_000_000, zip=True)
    assert decode(SPEC, encoded(Image.fromarray(PLAIN), pnginfo=text))[..., 0].tolist() == PLAIN.tolist()


def test_a_format_that_is_not_listed_is_no_image(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under whatever name: a PostScript file would be run by Ghostscript."""
    ran = []
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *_: ran.append(1) or Image.new("RGB", (4, 4)).im)
    for kind in ("EPS", "JPEG2000", "PPM"):
        with pytest.raises(UserError, match="no known format"):
            decode(SPEC, encoded(Image.new("RGB", (4, 4)), kind))
    assert not ran


@pytest.mark.parametrize(("size", "refused"), [((4097, 4), True), ((4, 9000), True), ((4096, 4), False)])
def test_a_picture_beyond_the_declared_limit_is_refused(size: tuple[int, int], refused: bool) -> None:
    item = encoded(Image.new("L", size))
    if refused:
        with pytest.raises(UserError, match=rf"picture: refused: {size[0]}x{size[1]} pixels, more than 4,096 a side"):
            decode(SPEC | {"resize": "box"}, item)
    else:
        decode(SPEC | {"resize": "box"}, item)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "TIFF", "WEBP"])
def test_the_first_of_several_frames_is_taken_and_told(kind: str) -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("black", "white")]
    item = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    with pytest.warns(Remark, match="taken by their first frame, of several: picture"):
        assert decode(SPEC, item).max() < 8
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        decode(SPEC, encoded(frames[0], kind))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a/1.png", "b/2.png", "a/1.png"], r"'a/1\.png' is there twice"),
        (["caf\u00e9/1.png", "cafe\u0301/2.png"], r"'cafe\\u0301' and 'caf\\xe9' are one name, composed"),
    ],
)
def test_a_name_that_is_there_twice_is_refused(names: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        find_labels([PurePosixPath(name) for name in names])


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("size", "top"), [((7, 9), 1), ((13, 13), 0), ((18, 17), 0), ((41, 35), 0)])
def test_box_takes_means_over_areas(channels: int, size: tuple[int, int], top: int) -> None:
    """Every pixel cut into 4 x 4 equal parts; a pixel of the smaller image is the mean of side x side of them."""
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], channels), dtype=np.uint8)
    side, left = min(size), (size[0] - min(size)) // 2
    square = pixels[top : top + side, left : left + side]
    parts = square.repeat(4, 0).repeat(4, 1).reshape(4, side, 4, side, channels)
    item = encoded(Image.fromarray(pixels.squeeze()))
    resized = decode(SPEC | {"channels": channels, "resize": "box"}, item)
    assert np.abs(resized - parts.mean((1, 3))).max() <= 0.5 + 1e-9


def test_box_is_pillows_where_the_resolution_divides_the_side() -> None:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8))
    resized = decode(SPEC | {"channels": 3, "resize": "box"}, encoded(image))
    assert np.array_equal(resized, np.asarray(image.resize((4, 4), Image.Resampling.BOX)))


@pytest.mark.parametrize(("side", "reduced"), [(300, 256), (28, 16), (28, 8), (9, 9)])
def test_an_area_mean_is_exact(side: int, reduced: int) -> None:
    """A dense product of shares, as floating-point numbers, says the same, but where a mean lies between two greys."""
    pixels = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    shares = np.eye(side).repeat(reduced, 0).reshape(reduced, side, side).mean(1)
    means = np.einsum("ai,bj,ijc->abc", shares, shares, pixels, optimize=True)
    assert np.abs(area_mean(reduced, pixels) - means).max() <= 0.5 + 1e-9
    assert area_mean(reduced, np.full((side, side, 1), 255, np.uint8)).min() == 255


def test_hidden_files_are_no_images() -> None:
    hidden = ["._1.jpg", ".thumbnails/1.jpg", "__MACOSX/cats/1.jpg", "cats/@eaDir/1.jpg", "cats/1.txt"]
    shown = ["cats/1.JPG", "1.jfif"]
    assert [name for name in hidden + shown if why_not(PurePosixPath(name)) is None] == shown


def test_links_to_folders_are_followed_but_not_in_a_circle(tmp_path: Path) -> None:
    for folder, name in (("pictures/cats", "1.png"), ("elsewhere", "2.png"), ("pictures/.cache", "3.png")):
        (tmp_path / folder).mkdir(parents=True)
        Image.new("L", (4, 4)).save(tmp_path / folder / name)
    pictures = tmp_path / "pictures"
    (pictures / "dogs").symlink_to(tmp_path / "elsewhere")
    (pictures / "cats" / "again").symlink_to(pictures)
    assert [str(path.relative_to(pictures)) for path in list_folder(pictures)] == ["cats/1.png", "dogs/2.png"]
    source = load(SPEC | {"path": str(pictures)})
    assert (source.labels, source.classes) == ([0, 1], ["cats", "dogs"])


def test_what_is_passed_over_is_told_by_its_reason(tmp_path: Path) -> None:
    for name in ("cats/1.png", "cats/2.heic", "cats/3.HEIC", "cats/4.svg", "cats/5", ".cache/6.png", "cats/._1.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("L", (4, 4)).save(tmp_path / name, "png")
    (tmp_path / "cats" / "7.png").symlink_to(tmp_path / "gone.png")
    (tmp_path / "cats" / "again").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "cats" / "8.png")
    overview = inspect_folder("pets", {"path": str(tmp_path)})
    (line,) = overview.remarks
    several = "2 '.heic', 2 hidden, 1 '.svg', 1 dangling link, 1 link to a folder above it, 1 pipe, socket or device"
    assert overview.images == 1
    assert line.startswith(f"passed over in {str(tmp_path)!r}: {several}, 1 others; images are .avif, ")
    (tmp_path / "cats" / "1.png").unlink()
    with pytest.raises(UserError, match=r"no images in .*2 '\.heic'"):
        inspect_folder("pets", {"path": str(tmp_path)})


def test_what_an_archive_holds_besides_images_is_told(tmp_path: Path) -> None:
    _, content = encoded(Image.new("L", (4, 4)))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.mkdir("cats")
        for name in ("cats/1.png", "cats/2.heic", "cats/3", "other/4.heic"):
            archive.writestr(name, content)
    overview = inspect("pets", {"path": str(tmp_path / "a.zip"), "folder": "cats"})
    assert overview.images == 1
    assert ": 1 '.heic', 1 without a suffix; images are " in overview.remarks[0]


@pytest.mark.parametrize("call", ["scandir", "stat"])
def test_a_folder_that_cannot_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    """Listing a folder needs the right to read it, its files the right to enter it. Hidden folders are left alone."""
    for name in ("cats/1.png", "dogs/2.png", "lost+found/3.png"):
        (tmp_path / name).parent.mkdir()
        Image.new("L", (4, 4)).save(tmp_path / name)
    real = getattr(os, call)

    def refusing(path, *arguments, **options):
        if ("dogs" in str(path) and str(path) != str(tmp_path / "dogs") * (call == "stat")) or "lost" in str(path):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, call, refusing)
        with pytest.raises(UserError, match=r"dogs.*: cannot be read \(Permission denied\), so images may be missing"):
            inspect_folder("pets", {"path": str(tmp_path)})
        assert fingerprint({"path": str(tmp_path)}) is None
    assert inspect_folder("pets", {"path": str(tmp_path)})[:2] == (2, True)


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        (["train/b/1.png", "train/a/2.png"], ([1, 0], ["a", "b"])),
        (["a/1.png", "b/deep/2.png"], ([0, 1], ["a", "b"])),
        (["a/1.png", "b/2.png", "cover.png"], None),
        (["a/1.png", "a/2.png"], None),
        ([], None),
        (["01000/01000.png", "03000/03000.png"], None),  # FFHQ's
        (["00000/img00000000.png", "00001/img00001000.png"], None),  # those of EDM's dataset_tool
        (["00000/00000_1.ppm", "00001/00000_1.ppm"], ([0, 1], ["00000", "00001"])),  # GTSRB's classes
        (["mask/1.png", "without_mask/2.png"], ([0, 1], ["mask", "without_mask"])),
    ],
)
def test_folders_that_divide_the_images_are_their_labels(names: list[str], labels: tuple | None) -> None:
    assert folder_labels([PurePosixPath(name) for name in names]) == labels


NAMES = [PurePosixPath(f"top/0000{i}/img0000{i}000.png") for i in range(3)]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([["00002/img00002000.png", 0], ["00000\\img00000000.png", 6], ["00001/img00001000.png", 0]], [6, 0, 0]),
        (None, None),
        ([[f"0000{i}/img0000{i}000.png", [0.5, 1.0]] for i in range(3)], None),  # cameras, as EG3D has them
        (
            [["00000/img00000000.png", 6]],
            r"top/dataset\.json: has no label of '00001/img00001000.png', nor of 1 others",
        ),
        ([6, 0, 0], "`labels` are not pairs of an image and its label"),
        ([[f"0000{i}/img0000{i}000.png", -1] for i in range(3)], "labels are not numbers from 0"),
    ],
)
def test_listed_labels_are_those_of_the_images(labels: list | None, expected: list[int] | str | None) -> None:
    """The layout of StyleGAN's and EDM's dataset_tool, in a folder of its own."""
    content = json.dumps({"labels": labels}).encode()
    read = {PurePosixPath("top/dataset.json"): content}.get
    if isinstance(expected, str):
        with pytest.raises(UserError, match=expected):
            find_labels(NAMES, "", read)
    else:
        assert find_labels(NAMES, "", read) == (expected and (expected, None))


def test_a_listing_of_another_program_is_none() -> None:
    paths = [PurePosixPath("a/1.png"), PurePosixPath("b/2.png")]
    assert find_labels(paths, "", lambda _: b'{"images": 2}') == ([0, 1], ["a", "b"])
    with pytest.raises(UserError, match=r"dataset\.json: not readable"):
        find_labels(paths, "", lambda _: b"{")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["afhq/train/cat/1.jpg", "afhq/val/cat/2.jpg"], r"not classes; give one of them, such as `path: afhq/train`"),
        (["cats/train/1.jpg", "cats/test/2.jpg", "dogs/train/3.jpg"], r"'cats/train' and 'cats/test' are parts"),
        (["images/training/1.jpg", "images/validation/2.jpg", "cover.jpg"], r"parts of one data set"),
        (
            ["CelebA-HQ-img/1.jpg", "CelebAMask-HQ-mask-anno/0/2.png"],
            r"masks .*give the images .*`path: CelebA-HQ-img`",
        ),
        (["VOC/JPEGImages/1.jpg", "VOC/SegmentationClass/1.png"], r"'VOC/SegmentationClass' lies beside"),
    ],
)
def test_parts_and_masks_are_no_classes(names: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        find_labels([PurePosixPath(name) for name in names], "path: ")


def test_a_class_that_cannot_be_written_down_is_refused() -> None:
    with pytest.raises(UserError, match="not UTF-8; rename it"):
        folder_labels([PurePosixPath("caf\udce9/1.png"), PurePosixPath("tea/1.png")])


def test_a_tar_as_macos_packs_it_has_the_images_it_shows(tmp_path: Path) -> None:
    _, content = encoded(Image.new("L", (4, 4)))
    with tarfile.open(tmp_path / "my.target.tar", "w") as archive:
        for name, data in (("cats/1.png", content), ("cats/._1.png", b"Mac OS X"), ("dogs/2.png", content)):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    assert inspect("pets", {"path": str(tmp_path / "my.target.tar"), "folder": None})[:2] == (2, True)


def test_a_zip_in_a_compression_that_python_lacks_is_to_be_packed_again(tmp_path: Path) -> None:
    """Deflate64, as Windows packs large files: here only the headers say so."""
    path = tmp_path / "large.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("1.png", encoded(Image.new("L", (4, 4)))[1])
    content = bytearray(path.read_bytes())
    content[8] = content[content.index(b"PK\1\2") + 10] = 9
    path.write_bytes(content)
    source = load_zip(SPEC | {"path": str(path), "folder": None})
    with pytest.raises(UserError, match=r"1\.png cannot be unpacked .*pack the images again with another tool"):
        list(source.items)
