"""Labels of a user's own images: those that `dataset.json` lists, or else the names of folders."""

import json
import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import PurePath
from typing import Any

from etsdm.errors import UserError

LISTING = "dataset.json"
"""Where StyleGAN's and EDM's dataset_tool puts labels: {"labels": [["00000/img00000000.png", 6], ...]} or null."""
_KIND = r"([-_ ]?(set|data|images?|[0-9]+|[ab]))?"
TRAINING = re.compile(rf"train(ing)?{_KIND}", re.IGNORECASE)
OTHER_PART = re.compile(rf"(val|valid|validation|test|testing|dev|eval){_KIND}", re.IGNORECASE)
PICTURES = re.compile(r"image|img|photo|picture|rgb", re.IGNORECASE)
NO_PICTURES = re.compile(r"mask|anno|segment|trimap|label|parsing|depth|^gt", re.IGNORECASE)
MOST_CLASSES = 100_000
"""The classifier has an output for each number up to the largest label."""
Labels = tuple[list[int], list[str] | None]


def find_labels(
    paths: Sequence[PurePath], setting: str = "", read: Callable[[PurePath], bytes | None] = lambda _: None
) -> Labels | None:
    """Label of each image, and the classes where they have names; None if there are no labels.

    Args:
        paths: of the images, relative to the data set.
        setting: what the name of a folder is appended to where a message says which one to give.
        read: the content of a file of the data set, None where it is not there.

    Raises:
        UserError: a name is there twice; the folders are parts of a data set, or masks beside images; a listing cannot
            be read or is incomplete; the name of a class is not UTF-8.
    """
    refuse_doubles(paths)
    refuse_mixtures(paths, setting)
    for place in listings(paths):
        content = read(place)
        labels = None if content is None else _listing(content, place)
        if labels is not None:
            return _listed(labels["labels"], [path.relative_to(place.parent).as_posix() for path in paths], place)
    return folder_labels(paths)


def listings(paths: Sequence[PurePath]) -> list[PurePath]:
    """Where a listing of these images may be: beside the folders that hold them, or above."""
    if not paths:
        return []
    shared = PurePath(os.path.commonpath([path.parent for path in paths]))
    return [place / LISTING for place in (shared, *shared.parents)]


def refuse_doubles(paths: Sequence[PurePath]) -> None:
    """Refuse images or folders of one name, as archives may have them.

    Raises:
        UserError: naming an image that is there twice, or two names that only Unicode tells apart.
    """
    seen: dict[str, str] = {}
    folders = {str(folder) for last in {path.parent for path in paths} for folder in (last, *last.parents)}
    for name in [*map(str, paths), *sorted(folders)]:
        normalized = unicodedata.normalize("NFC", name)
        if (other := seen.get(normalized)) is not None:
            raise UserError(
                f"{name!r} is there twice; pack the images again, each once"
                if other == name
                else f"{other!a} and {name!a} are one name, composed and decomposed (Unicode's NFC and NFD); "
                "rename one, or join the two"
            )
        seen[normalized] = name


def refuse_mixtures(paths: Sequence[PurePath], setting: str = "") -> None:
    """Refuse images of which some are for testing, or are no pictures, by the names of their folders.

    Raises:
        UserError: naming two folders side by side, and what to give instead.
    """
    inside: dict[PurePath, set[str]] = defaultdict(set)
    for last in {path.parent for path in paths}:
        for folder in (last, *last.parents):
            if folder.name:
                inside[folder.parent].add(folder.name)
    for place in sorted(inside):
        names = sorted(inside[place])
        training = [place / name for name in names if TRAINING.fullmatch(name)]
        others = [place / name for name in names if OTHER_PART.fullmatch(name)]
        if training and others:
            raise UserError(
                f"{str(training[0])!r} and {str(others[0])!r} are parts of one data set, not classes; give one of "
                f"them, such as `{setting}{training[0]}`, or move the others away"
            )
        masks = [place / name for name in names if NO_PICTURES.search(name)]
        pictures = [place / name for name in names if PICTURES.search(name) and not NO_PICTURES.search(name)]
        if pictures and masks:
            raise UserError(
                f"{str(masks[0])!r} lies beside {str(pictures[0])!r} and seems to hold masks or labels as pictures; "
                f"give the images alone, `{setting}{pictures[0]}`, or rename the folders"
            )


def folder_labels(paths: Sequence[PurePath]) -> Labels | None:
    """Label of each image, and the classes, if each of these relative paths begins with one of several folders.

    Folders that all images share don't count. Nor do those that only divide many images: FFHQ's 00000, 01000, ..., and
    those of StyleGAN's and EDM's dataset_tool, 00000/img00000000.png, ...

    Raises:
        UserError: the name of such a folder is not UTF-8.
    """
    shared = os.path.commonpath([path.parent for path in paths]) if paths else ""
    inner = [path.relative_to(shared) for path in paths]
    if any(len(path.parts) == 1 for path in inner):
        return None
    names = [path.parts[0] for path in inner]
    classes = sorted(set(names))
    if all(re.fullmatch("[0-9]{5}", name) for name in classes) and (
        all(int(name) % 1000 == 0 for name in classes)
        or all(path.name.startswith(f"img{name}") for name, path in zip(names, inner, strict=True))
    ):
        return None
    for name in classes:
        if name.encode(errors="replace").decode() != name:
            raise UserError(f"the folder {name!r} is a class, but its name is not UTF-8; rename it")
    numbers = {name: number for number, name in enumerate(classes)}
    return ([numbers[name] for name in names], classes) if len(classes) > 1 else None


def _listing(content: bytes, place: PurePath) -> dict[str, Any] | None:
    """What is in a file that may be a listing; None if it is another program's."""
    try:
        values = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{place}: not readable ({error}); repair it, or rename it if it lists no labels") from error
    return values if isinstance(values, dict) and "labels" in values else None


def _listed(labels: Any, names: list[str], place: PurePath) -> Labels | None:
    """The labels in a listing; vectors are none, as no class follows from them."""
    if labels is None:
        return None
    try:
        by_name = {name.replace("\\", "/"): label for name, label in labels}
    except (AttributeError, TypeError, ValueError):
        raise UserError(f"{place}: `labels` are not pairs of an image and its label; repair or rename it") from None
    if missing := [name for name in names if name not in by_name]:
        raise UserError(f"{place}: has no label of {missing[0]!r}, nor of {len(missing) - 1:,} others; complete it")
    values = [by_name[name] for name in names]
    if all(isinstance(label, list) for label in values):
        return None
    if not are_numbers(values):
        raise UserError(f"{place}: labels are not numbers from 0 to {MOST_CLASSES - 1:,}; repair or rename it")
    return values, None


def are_numbers(labels: Sequence[Any]) -> bool:
    """Whether labels are whole numbers from 0 to one below `MOST_CLASSES`."""
    return all(type(label) is int and 0 <= label < MOST_CLASSES for label in labels)
