"""Each promise of docs/reliability.md names tests, and these are there."""

import re

from etsdm.fingerprint import ROOT

TEXT = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
ROWS = [line for line in TEXT.splitlines() if re.match(r"\| (?!promise|lost|-)", line)]
TEST = re.compile(r"`((?:slurm/)?test_\w+\.py)?(?:::(\w+?)(\.\.\.)?)?`")


def test_every_promise_names_a_test():
    assert len(ROWS) > 80
    unkept = [row for row in ROWS if "the same test" not in row and not any(map(any, TEST.findall(row)))]
    assert unkept == []


def test_every_test_that_is_named_is_there():
    missing, file = [], ""
    for named_file, name, shortened in TEST.findall(TEXT):
        if not (named_file or name):
            continue
        file = named_file or file
        code = (ROOT / "tests" / file).read_text(encoding="utf-8")
        if name and not re.search(rf"def {name}{'' if shortened else chr(92) + '('}", code):
            missing.append((file, name))
    assert missing == []
