"""Tables as LaTeX, for booktabs."""

from etsdm.report.tables.table import Table

SIGNS = {"±": r"$\pm$", "−": "$-$", "–": "--", "√d": r"$\sqrt{d}$", "α": r"$\alpha$", "‖": r"$\|$", "t̃": r"$\tilde{t}$"}
SIGNS |= {"₀": "$_0$", "ε": r"$\epsilon$", "σ": r"$\sigma$", "²": "$^2$", "β": r"$\beta$"}


def latex(table: Table) -> str:
    """The table as a `table` environment, without the values of single seeds."""
    text = table.display.drop(columns="Values", errors="ignore").to_latex(
        index=False, escape=True, caption=_escaped(table.title), label=f"tab:{table.name}"
    )
    for sign, command in SIGNS.items():
        text = text.replace(sign, command)
    return text


def _escaped(text: str) -> str:
    return text.replace("_", r"\_").replace("%", r"\%")
