"""The warnings at the top of the report."""

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hand_made import write_measurement, write_results
from reports import (
    configuration,
    read,
)

from etsdm.cli import main
from etsdm.report import page
from etsdm.report.warnings import warnings


@pytest.fixture(scope="module")
def text(built: tuple[Path, Path]) -> str:
    return (built[0] / "report.html").read_text(encoding="utf-8")


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    """The report of results that nothing is wrong with."""
    return write_results(tmp_path, configuration())


def change(report: Path, kind: str, **result: Any) -> None:
    """Change what the first manifest of a kind of run says of its result."""
    file = report.parents[1] / next(iter(read(report).inventory[kind])) / "manifest.json"
    manifest = json.loads(file.read_text())
    file.write_text(json.dumps(manifest | {"result": manifest["result"] | result}))


def test_a_sound_run_has_no_warning(sound: Path) -> None:
    assert page.write_page(sound, sound.parents[1], None) == []
    assert 'id="warnings"' not in (sound / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("kind", "inside", "outside", "words"),
    [
        # Halfway from 0.11 to 1 is 0.555.
        ("encoders", {"accuracy": 0.56}, {"accuracy": 0.55}, "right on 55 % of 360 held-out images; naming the most"),
        ("encoders", {"majority": 0.94}, {"majority": 0.96}, "common class every time is right on 96 %."),
        # The data have 0.4.
        ("samples", {"saturated": 0.64}, {"saturated": 0.66}, "In 1 of 16 sample sets of digits at 8 px, up to 66 %"),
        ("data", {"saturated": 0.26}, {"saturated": 0.24}, "In 16 of 16 sample sets of digits at 8 px, up to 50 %"),
    ],
)
def test_a_warning_begins_where_it_should(
    sound: Path, kind: str, inside: dict[str, float], outside: dict[str, float], words: str
) -> None:
    change(sound, kind, **inside)
    assert warnings(read(sound)) == []
    change(sound, kind, **outside)
    (warning,) = warnings(read(sound))
    assert words in warning


@pytest.mark.parametrize(("count", "number_of_warnings"), [(2000, 0), (2001, 1)])
def test_fewer_than_two_passes_are_warned_of(sound: Path, count: int, number_of_warnings: int) -> None:
    """4,000 images are seen."""
    results = sound.parents[1]
    file = results / next(iter(read(sound).inventory["data"])) / "dataset.json"
    file.write_text(json.dumps({"count": count}))
    messages = warnings(read(sound))
    assert len(messages) == number_of_warnings
    assert all(
        "each of its 2,001 images 2 times on average" in text and "to 4,002 or more" in text for text in messages
    )
    initial = read(sound)
    initial.config["training"]["initial"] = {"weights": "w", "sha256": "0" * 64}
    assert warnings(initial) == []


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_values_that_are_not_finite_are_missing_and_warned_of(tmp_path: Path, value: float) -> None:
    def diverged(results: Path, inventory: dict[str, Any], measurement: dict[str, Any]) -> None:
        def distance(model: dict[str, Any], solver: dict[str, Any]) -> float:
            return wrong if (solver["name"], model["seed"]) == ("dpm-solver-3", 7) else 1.0

        write_measurement(results, inventory, measurement, distance)
        file = results / measurement["file"]
        file.write_text(file.read_text().replace(str(wrong), json.dumps(value)))  # as versions before this one did

    wrong = 7654.25
    report = write_results(tmp_path, configuration(), diverged)
    assert set(read(report).failures["reason"]) == {f"the value is not finite: {value}"}
    (warning,) = warnings(read(report))
    assert warning.startswith("In fast-sampling, 2 of 20 measurements have no value, because numbers were not finite")


def test_warnings_come_before_everything_else_and_are_printed(
    built: tuple[Path, Path], text: str, tmp_path: Path
) -> None:
    """A reason of the hand-chosen failure is that images are not finite."""
    body = text[text.index("<body>") :]
    assert body.index("1 of 20 measurements have no value, because") < body.index("<h1>")
    results = shutil.copytree(built[1], tmp_path / "results")
    inventory = results / built[0].relative_to(built[1]) / "inventory.json"
    done = CliRunner().invoke(main, ["page", "--inventory", str(inventory), "--results", str(results)])
    assert done.exit_code == 0, done.output
    assert "etsdm: warning: In fast-sampling, 1 of 20 measurements have no value" in done.stderr
