"""Formulas of the site. They are written as GitHub reads them, and become MathML, which browsers draw by themselves."""

import re
from functools import partial

from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page

DISPLAYED = re.compile(r"^```math\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"\$`([^`]+)`\$")
HELD = re.compile(r"formula-held-(\d+)-held")


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Hold formulas back from Markdown, which would read their letters as its own."""
    held: list[str] = []

    def hold(found: re.Match[str], display: str) -> str:
        held.append(convert(found[1].strip(), display=display))
        return f"formula-held-{len(held) - 1}-held"

    markdown = DISPLAYED.sub(partial(hold, display="block"), markdown)
    markdown = INLINE.sub(partial(hold, display="inline"), markdown)
    page.meta["formulas"] = held
    return markdown


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Put them back."""
    held = page.meta["formulas"]
    return HELD.sub(lambda found: held[int(found[1])], html)
