"""The page of the report."""

import html
import io
import json
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from docutils.core import publish_string
from hand_made import write_results
from jinja2 import Environment, StrictUndefined
from reports import (
    ROOT,
    configuration,
    every_experiment,
    findings_by_claim,
    measure,
    read,
    write_report,
)

from etsdm.cli import main
from etsdm.report import page
from etsdm.report.formulas import formulas


@pytest.fixture(scope="module")
def text(built: tuple[Path, Path]) -> str:
    return (built[0] / "report.html").read_text(encoding="utf-8")


class Elements(HTMLParser):
    """All start tags with their attributes, and whether every element that was opened was closed."""

    VOID = ("meta", "img", "br", "link", "input")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.start_tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.start_tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_page_is_well_formed_and_its_links_lead_somewhere(built: tuple[Path, Path], text: str) -> None:
    elements = Elements(text)
    assert elements.open == []
    ids = [attributes["id"] for _, attributes in elements.start_tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for tag, attributes in elements.start_tags:
        link = attributes.get("href")
        if tag == "a" and link and link != "https://arxiv.org/abs/2306.11251":
            assert link[1:] in ids if link.startswith("#") else (built[0] / link).is_file(), link


def test_page_needs_nothing_from_outside(text: str) -> None:
    elements = Elements(text).start_tags
    assert not {tag for tag, _ in elements} & {"link", "iframe", "object", "embed"}
    assert all("src" not in attributes for tag, attributes in elements if tag == "script")
    images = [attributes["src"] for tag, attributes in elements if tag == "img"]
    assert len(images) == 4, "data, sheets of two methods and of real images; drawings stand in the page itself"
    assert all(source and source.startswith("data:image/") for source in images)
    assert all(attributes.get("alt") for tag, attributes in elements if tag == "img")
    drawings = [attributes for tag, attributes in elements if tag == "svg"]
    assert len(drawings) == 8 and all(attributes.get("aria-label") for attributes in drawings)
    assert {link[:5] for link in re.findall(r"url\((.{5})", text)} <= {
        "#lips",
        "#comp",
        "#fast",
        "#loss",
        "#verd",
        "#firs",
    }
    assert "@import" not in text


def test_page_names_every_method_solver_seed_and_metric(text: str) -> None:
    for word in (
        "DDPM",
        "E-TSDM (t̃ 100, n 5, partition uniform)",
        "ddim at 50 and 200 NFE",
        "dpm-solver-3 at 20 NFE",
    ):
        assert word in text
    assert "seeds 3 and 7" in text
    assert "97.5 % right on 360 held-out images" in text
    assert "fd-classifier-1k: Frechet distance" in text
    assert "It is not FID" in text
    assert "revision 0123456789ab" in text
    assert "1,797 images" in text


def test_page_writes_methods_one_way_and_sets_formulas(text: str) -> None:
    """As the paper does; a configuration's own words stand in its listing and in names of files and runs alone."""
    words = text[text.index("<main>") : text.index('<section id="run">')]
    seen = re.sub(r"<svg.*?</svg>|<[^>]*>", " ", words, flags=re.DOTALL)
    assert "E-TSDM" in seen and "DDPM" in seen
    assert not re.search(r"ddpm's|against ddpm|\betsdm\b|t_tilde|x_0|eps\*|of 1 cells", seen)
    assert "E‖ε(x<sub>t</sub>, t)" in words
    assert words.count("grid uniform") == 0 and "<summary>3 entries</summary>" in text, "solvers: once, folded"


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("‖x_t − x_0‖ < 1", "‖x<sub>t</sub> − x<sub>0</sub>‖ &lt; 1"),
        ("as t^(−1/2), ~ t^p", "as t<sup>−1/2</sup>, ~ t<sup>p</sup>"),
        ("σ_t̃ K, max_t, x_train", "σ<sub>t̃</sub> K, max_t, x_train"),
    ],
)
def test_formulas_have_indices_and_powers(text: str, html: str) -> None:
    assert formulas(text) == html


def test_page_states_what_the_probes_cost(text: str) -> None:
    """Four probes of three seconds each."""
    assert "Cost: 4 probes took 12.0 s in all." in text


def test_page_says_what_was_not_confirmed(text: str) -> None:
    first = text[text.index('id="answer"') : text.index('id="limits"')]
    badges = re.findall(r'class="badge [a-z]*">([^<]*)<.*?href="#([a-z-]+)">', first, re.DOTALL)
    assert badges == [
        ("same direction and size", "lipschitz"),
        ("opposite", "comparison"),
        ("undecided", "fast-sampling"),
    ]
    comparison = text[text.index('<section id="comparison">') :]
    assert comparison.index("opposite</span>") < comparison.index("E-TSDM lowers the distance to the data on every")
    assert "No FID was measured" in text
    assert "n = 2 seeds: few, so that only large changes can be seen" in text
    assert "not part of this run: schedules, alternatives, stability and super-resolution" in text


def test_page_says_nothing_of_the_machine(built: tuple[Path, Path]) -> None:
    results = read(built[0])
    results.config["training"]["initial"] = {"weights": "/home/alice/w.safetensors", "sha256": "0" * 64}
    next(iter(results.inventory["data"].values())).update(source="folder", bundle=None, path="/data/alice/mine")
    text = page.render(results, page.parts_of(results, built[0]))
    assert "alice" not in text
    assert text.count(".../w.safetensors") == 2
    assert "source: folder .../mine" in text


def test_page_holds_the_resolved_configuration(text: str) -> None:
    listing = text.partition('class="config">')[2].partition("</pre>")[0]
    config = yaml.safe_load(html.unescape(listing))
    assert config["experiments"]["lipschitz"]["fine_step"] == 10
    assert config["diffusion"]["timesteps"] == 1000


def test_report_of_a_benchmark_in_which_everything_failed(tmp_path: Path) -> None:
    report = write_results(tmp_path, configuration(), None)
    write_report(report, tmp_path)
    text = (report / "report.html").read_text(encoding="utf-8")
    assert "20 of 20 measurements have no value" in text
    assert 'class="badge' not in text[text.index('id="answer"') : text.index('id="limits"')]
    assert {f.verdict for f in findings_by_claim(report).values()} == {"not run"}


def test_what_cannot_be_made_says_why_and_the_rest_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A figure, a table, a caption and the findings of one experiment, each with an error of its own."""
    config = configuration()
    del config["experiments"]["fast-sampling"]
    report = write_results(tmp_path, config, measure)
    for what, name in (
        ("figure", "figures.k_curves.draw_k"),
        ("table", "tables.k_curves.k_table"),
        ("findings", "findings.k_curves.growth"),
        ("caption", "captions.pairs"),
    ):

        def broken(*_: Any, what: str = what) -> None:
            raise ValueError(f"no {what} today")

        monkeypatch.setattr(f"etsdm.report.{name}", broken)
    options = ["--inventory", str(report / "inventory.json"), "--results", str(tmp_path)]
    for stage in ("rows", "tables", "figure", "page"):
        done = CliRunner().invoke(main, [stage, *options])
        assert done.exit_code == 0, done.output
    text = (report / "report.html").read_text(encoding="utf-8")
    top = text[: text.index("<h1>")]
    for words in ("the figures lipschitz", "the tables lipschitz", "the findings of lipschitz"):
        assert f"Not made, because of an error: {words}. " in top
        assert f"etsdm: warning: Not made, because of an error: {words}. " in done.stderr
    assert "This figure could not be drawn</strong>: ValueError: no figure today" in text
    assert "The caption could not be written: ValueError: no caption today." in text
    assert "Could not be judged: ValueError: no findings today." in text
    assert "ValueError: no table today" in (report / "tables" / "lipschitz.csv").read_text()
    assert json.loads((report / "figures" / "lipschitz.manifest.json").read_text())["result"] == {
        "caption": "The caption could not be written: ValueError: no caption today.",
        "failed": "ValueError: no figure today",
    }
    assert "failed" not in json.loads((report / "figures" / "comparison.manifest.json").read_text())["result"]
    assert '<figure id="figure-comparison">\n<svg ' in text
    assert "E-TSDM lowers the distance to the data on every data set" in text


WRAPPER = """<!DOCTYPE html><body><iframe style="border:0;width:{width}px;height:900px" srcdoc="{page}"></iframe>
<script>addEventListener("load", () => {{
  const view = document.querySelector("iframe").contentWindow, root = view.document.documentElement;
  const wide = [...view.document.body.querySelectorAll("*")].filter(element =>
    element.getBoundingClientRect().right > root.clientWidth + 1 && !element.closest(".scroll, pre"));
  const seen = {{
    width: root.clientWidth, scroll: root.scrollWidth, wide: wide.map(element => element.outerHTML.slice(0, 80)),
    broken: [...view.document.images].filter(image => !image.naturalWidth).length,
    images: view.document.images.length,
    choices: [...view.document.querySelectorAll(".choices:not([hidden]) label:not([hidden])")].map(e => e.innerText),
    verdicts: view.document.querySelector("#answer .verdicts").getBoundingClientRect().bottom,
    figure: view.document.querySelector("#answer svg").getBoundingClientRect(),
    hidden: [...view.document.querySelectorAll("table")].flatMap(table => {{
      const place = [...table.tHead.rows[0].cells].findIndex(cell => cell.textContent === "Verdict");
      return place < 0 ? [] : [...table.tBodies[0].rows].map(row => row.cells[place]);
    }}).filter(cell => cell.offsetParent && cell.getBoundingClientRect().right > root.clientWidth).length,
    requests: view.performance.getEntriesByType("resource").map(e => e.name).filter(n => !n.startsWith("data:")),
  }};
  document.body.innerHTML = "<pre>" + JSON.stringify(seen) + "</pre>";
}});</script>"""


def chromium() -> str:
    """The browser; without one, skip on a user's machine and fail in CI."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        message = "no Chromium: apt-get install chromium"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return browser


@pytest.mark.parametrize("width", [1280, 390])
def test_page_fits_its_window_in_a_browser(text: str, tmp_path: Path, width: int) -> None:
    wrapper = tmp_path / "wrapper.html"
    wrapper.write_text(WRAPPER.format(width=width, page=html.escape(text)), encoding="utf-8")
    flags = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--virtual-time-budget=10000",
        "--window-size=1400,1000",
        f"--user-data-dir={tmp_path / 'profile'}",
    ]
    command = [chromium(), *flags, "--dump-dom", wrapper.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    seen = json.loads(html.unescape(done.stdout.split("<pre>")[1].split("</pre>")[0]))
    assert seen["width"] >= width - 20  # a scroll bar's width
    assert seen["scroll"] <= seen["width"], seen["wide"]
    assert seen["wide"] == []
    assert (seen["images"], seen["broken"]) == (4, 0)
    assert [words.split()[0] for words in seen["choices"]] == ["Solver", "Seed", "Method"], "the scripts ran"
    assert seen["requests"] == []
    assert seen["hidden"] == 0, "verdicts that are off the screen"
    if width > 1000:
        assert seen["verdicts"] < 900 and seen["figure"]["bottom"] < 900, "not on the first screen"


# ---------------------------------------------------------------- captions and imports


@pytest.mark.parametrize("caption", ["page.rst", "tables.rst", "workflow.rst"])
def test_captions_state_the_settings(caption: str) -> None:
    environment = Environment(trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined)
    template = environment.from_string((ROOT / "workflow" / "report" / caption).read_text(encoding="utf-8"))
    source = template.render(snakemake={"config": every_experiment()})
    warnings = io.StringIO()
    publish_string(source, writer="html", settings_overrides={"warning_stream": warnings, "report_level": 1})
    assert warnings.getvalue() == ""
    assert "3" in source or "linear" in source


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("contents", ["pandas", "matplotlib", "torch"]),
        ("figures.write", ["torch"]),
        ("tables.write", ["torch", "matplotlib"]),
        ("page", ["torch", "matplotlib"]),
    ],
)
def test_reporting_is_light_to_start(module: str, heavy: list[str]) -> None:
    code = f"import sys, etsdm.report.{module}; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
