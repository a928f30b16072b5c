"""Colours that drawings and the page share."""

INK, SOFT, LINE = "#1d2126", "#59626d", "#dde1e6"
"""Text and axes, what stands back, and the grid. The page gives them its own colours, light or dark."""
GOOD, BAD = "#04704a", "#a33a00"
"""What has the claimed direction, and what has the opposite one; likewise."""
VARIABLES = {INK: "--ink", SOFT: "--soft", LINE: "--line", GOOD: "--good", BAD: "--bad"}
"""The page's names of these colours."""
