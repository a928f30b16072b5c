"""Pages and links of the site. In the repository links follow its folders; on the site some pages stand elsewhere."""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
OUTSIDE = {
    "README.md": "index.md",
    "config/README.md": "config.md",
    "results/README.md": "files.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}
"""Pages that lie outside docs/, by their place in the repository, and their place on the site."""
LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)\s]+)\)")
PICTURE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)\)")
CODE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that lie outside docs/."""
    for source, place in OUTSIDE.items():
        files.append(File.generated(config, place, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let links lead to pages of the site. A link to a source file becomes its name: the site has none.

    Raises:
        PluginError: a link leads nowhere.
    """
    folder = Path(str(page.file.abs_src_path)).parent

    def moved(found: re.Match[str]) -> str:
        text, target = found.groups()
        path, mark, anchor = target.partition("#")
        if re.match("[a-z]+:", target) or not path:
            return found[0]
        file = (folder / path).resolve()
        if not file.exists():
            raise PluginError(f"{page.file.src_uri}: the link to {target} leads nowhere")
        place = _place(file, Path(config.docs_dir))
        if place is None or files.get_file_from_path(place) is None:
            return text
        relative = posixpath.relpath(place, posixpath.dirname(page.file.src_uri) or ".")
        return found[0].replace(f"({target})", f"({relative}{mark}{anchor})")

    def outside_code(text: str) -> str:
        return LINK.sub(moved, PICTURE.sub(moved, text))

    parts, blocks = CODE.split(markdown), [*CODE.findall(markdown), ""]
    return "".join(outside_code(part) + block for part, block in zip(parts, blocks, strict=True))


def _place(file: Path, docs: Path) -> str | None:
    """Where a file of the repository stands on the site, if it may."""
    inside = file.relative_to(docs).as_posix() if file.is_relative_to(docs) else None
    return inside or OUTSIDE.get(file.relative_to(ROOT).as_posix())
