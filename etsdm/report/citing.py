"""How to cite the paper and the measurements of a report."""

from etsdm.report.provenance import origins
from etsdm.report.results import Results
from etsdm.report.setup import revisions

AUTHORS = (
    "Yang, Zhantao and Feng, Ruili and Zhang, Han and Shen, Yujun and Zhu, Kai and Huang, Lianghua and "
    "Zhang, Yifei and Liu, Yu and Zhao, Deli and Zhou, Jingren and Cheng, Fan"
)
TITLE = "Lipschitz Singularities in Diffusion Models"
ARXIV = "2306.11251"
YEAR = 2024


def citation(results: Results) -> str:
    """BibTeX of the paper, and of the code that made these results."""
    versions = dict.fromkeys(str(dict(one.packages).get("etsdm", "not known")) for one in origins(results).values())
    return f"""@inproceedings{{yang{YEAR}lipschitz,
  title = {{{TITLE}}},
  author = {{{AUTHORS}}},
  booktitle = {{International Conference on Learning Representations}},
  year = {{{YEAR}}},
  note = {{arXiv:{ARXIV}}}
}}

@software{{etsdm_benchmark,
  title = {{E-TSDM benchmark}},
  author = {{{{The etsdm authors}}}},
  version = {{{"; ".join(versions) or "not known"}}},
  note = {{Benchmark {results.inventory["name"]}, revision {"; ".join(revisions(results))}}}
}}
"""
