"""The pages as a site: `make docs` builds it, with every link checked and nothing from other sites."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the site."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def test_the_readme_is_its_first_page_and_leads_on(site: Path) -> None:
    page = (site / "index.html").read_text()
    assert "<h1" in page and "E-TSDM benchmark" in page
    for target in ("your-data.html", "method.html", "config.html", "experiments.html", "k-curves.png"):
        assert re.search(f'(?:href|src)="{target}"', page), target


def test_formulas_are_drawn_by_the_browser_itself(site: Path) -> None:
    page, written = (site / "method.html").read_text(), (ROOT / "docs" / "method.md").read_text()
    displayed = written.count("```math")
    assert displayed > 5
    assert page.count('<math xmlns="http://www.w3.org/1998/Math/MathML" display="block">') == displayed
    assert page.count("<math") == displayed + written.count("$`")
    assert "formula-held" not in page and "$`" not in page


def test_pages_load_nothing_from_other_sites(site: Path) -> None:
    for page in site.rglob("*.html"):
        loaded = re.findall(r'<(?:script|img|link|iframe)[^>]*(?:src|href)="(https?:[^"]+)"', page.read_text())
        assert not loaded, (page, loaded)
