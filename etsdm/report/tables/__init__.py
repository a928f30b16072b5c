"""Tables of the report: CSV with everything, Markdown and LaTeX for people."""
