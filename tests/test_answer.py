"""The page that several benchmarks answer together, and the table of verdicts that it is made from."""

from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from reports import findings, read

from etsdm.cli import main
from etsdm.errors import UserError
from etsdm.report.answer import answer, read_verdicts
from etsdm.report.overview import limits


def table_of(report: Path) -> Path:
    return report / "tables" / "verdicts.csv"


def test_the_table_of_verdicts_holds_every_finding_and_every_limit(report: Path) -> None:
    table = read_verdicts([table_of(report)])
    results = read(report)
    measured_findings = [finding for finding in findings(results) if finding.verdict != "not run"]
    rows = table[table["kind"] != "limit"]
    assert list(rows["verdict"]) == [finding.verdict for finding in measured_findings]
    assert list(rows["measured"]) == [finding.measured for finding in measured_findings]
    tested = [finding for finding in measured_findings if finding.change]
    assert pd.to_numeric(rows["change"]).dropna().to_list() == pytest.approx(
        [f.change.mean for f in tested if f.change]
    )
    assert list(table[table["kind"] == "limit"]["measured"]) == limits(results)


def section(text: str, title: str) -> str:
    return text.split(f"## {title}\n")[1].split("\n## ")[0]


def other(table: pd.DataFrame, **values: str) -> pd.DataFrame:
    return table.assign(benchmark="other", **values)


def test_a_gain_stands_where_its_verdict_puts_it(report: Path) -> None:
    table = read_verdicts([table_of(report)])
    row = table[(table["topic"] == "gain") & (table["role"] == "primary")].iloc[:1]
    both = pd.concat([row.assign(verdict="same direction"), other(row, verdict="opposite")])
    text = answer(both)
    assert "(tiny, " in section(text, "Where it helps") and "(other, " not in section(text, "Where it helps")
    assert "(other, " in section(text, "Where it hurts") and "Nothing." in section(text, "Where it is undecided")
    assert row["measured"].iloc[0] in section(text, "Where it helps")
    for name in ("tiny", "other"):
        assert f"`make reproduce CONFIG=config/{name}.yaml`" in text


def test_only_changes_against_ddpm_are_gains(report: Path) -> None:
    """E-TSDM with more evaluations, or more sub-intervals, is compared with itself."""
    table = read_verdicts([table_of(report)])
    topics = dict(zip(table["short"], table["topic"], strict=True))
    assert topics["gain under few-step solvers"] == "gain"
    assert topics["E-TSDM better with more steps"] == topics["DDPM worse with more steps"] == "effect"


def test_exploratory_findings_are_listed_where_they_are_decided(report: Path) -> None:
    table = read_verdicts([table_of(report)])
    row = table[table["topic"] == "effect"].iloc[:1].assign(role="exploratory")
    text = answer(pd.concat([row.assign(verdict="undecided"), row.assign(verdict="opposite", claim="This one.")]))
    assert "**This one.** Opposite" in text and text.count("- **") == 1
    assert "1 further exploratory finding is undecided." in text


def test_limits_name_the_benchmarks_that_share_them(report: Path) -> None:
    table = read_verdicts([table_of(report)])
    table = table[table["kind"] == "limit"]
    text = section(answer(pd.concat([table, other(table)])), "What was not tested")
    assert text.count("- tiny and other: ") == len(table) > 1


def test_files_that_cannot_be_answered_from_are_refused(report: Path, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match=r"rows.csv: no table of verdicts; give the file verdicts.csv"):
        read_verdicts([tmp_path / "rows.csv"])
    with pytest.raises(UserError, match="the verdicts of tiny are given twice"):
        read_verdicts([table_of(report), table_of(report)])


def test_the_command_writes_the_page(report: Path, tmp_path: Path) -> None:
    out = tmp_path / "answer.md"
    done = CliRunner().invoke(main, ["answer", str(table_of(report)), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert out.read_text(encoding="utf-8") == answer(read_verdicts([table_of(report)]))


def test_the_answer_in_the_docs_is_that_of_the_published_verdicts() -> None:
    """`etsdm answer docs/results/*/tables/verdicts.csv --out docs/answer.md` writes it again."""
    docs = Path(__file__).parents[1] / "docs"
    tables = sorted(docs.glob("results/*/tables/verdicts.csv"))
    for order in (tables, tables[::-1]):
        assert (docs / "answer.md").read_text(encoding="utf-8") == answer(read_verdicts(order))
