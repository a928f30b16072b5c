# All measurements -> the report.
from etsdm.report.contents import figure_code, page_code, rows_code, tables_code

# What the report reads besides its rows. It also shows costs from manifests, whose change alone redraws nothing.
THEORY = [f"results/{file}" for file in plan.measured("theory")]


# ------------------------------------------------------------------------------------------------------------------
# The plan as plain data: all that the report knows of it. Its digest decides, so a plan of a running workflow's
# configuration that was edited meanwhile changes nothing under its feet.
# ------------------------------------------------------------------------------------------------------------------
rule inventory:
    """Write down what the configuration asks for."""
    output:
        inventory=f"{REPORT}/inventory.json",
    log:
        f"{REPORT}/inventory.log",
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        **JOB,
    params:
        depends={"plan": identity(plan.inventory()), "config": json.dumps(plan.settings())},
    shell:
        "etsdm --attempt {resources.attempt} inventory --config {params.depends[config]:q} --out {output.inventory:q}"
        " > {log:q} 2>&1"


# ------------------------------------------------------------------------------------------------------------------
# Every measurement -> one tidy table -> tables, figures and the page.
# ------------------------------------------------------------------------------------------------------------------
rule rows:
    """Gather every measurement in one tidy table."""
    input:
        inventory=f"{REPORT}/inventory.json",
        measurements=[f"results/{measurement.file}" for measurement in plan.measurements],
        metrics=[f"results/{model}/metrics.jsonl" for model in plan.models],
    output:
        rows=f"{REPORT}/rows.csv",
        losses=f"{REPORT}/losses.csv",
        manifest=f"{REPORT}/rows.manifest.json",
    log:
        f"{REPORT}/rows.log",
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        **JOB,
    params:
        depends=depends("rows", *rows_code()),
    shell:
        f"{ETSDM} rows" " --inventory {input.inventory:q} > {log:q} 2>&1"


rule tables:
    """Write the tables of the report."""
    input:
        inventory=f"{REPORT}/inventory.json",
        rows=f"{REPORT}/rows.csv",
        theory=THEORY,
    output:
        [entry(table, "Tables", "../report/tables.rst", shown=".csv") for table in TABLES],
        manifest=f"{REPORT}/tables.manifest.json",
    log:
        f"{REPORT}/tables.log",
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        **JOB,
    params:
        depends=depends("tables", *tables_code(INVENTORY)),
    shell:
        f"{ETSDM} tables" " --inventory {input.inventory:q} > {log:q} 2>&1"


rule figure:
    """Draw one figure. One that cannot be drawn is a picture that says so, and the page is built without it."""
    input:
        inventory=f"{REPORT}/inventory.json",
        rows=f"{REPORT}/rows.csv",
        losses=f"{REPORT}/losses.csv",
        theory=THEORY,
        images=shown_in,
    output:
        png=report(
            f"{REPORT}/figures/{{figure}}.png",
            category="Figures",
            subcategory=section_title,
            labels=figure_labels,
            caption="../report/figure.rst",
        ),
        svg=f"{REPORT}/figures/{{figure}}.svg",
        manifest=f"{REPORT}/figures/{{figure}}.manifest.json",
    log:
        f"{REPORT}/figures/{{figure}}.log",
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        **JOB,
    params:
        depends=lambda wildcards: depends("figure", *figure_code(INVENTORY, wildcards.figure)),
        caption=lambda wildcards, output: caption_in(output.manifest),
    shell:
        f"{ETSDM} figure" " --inventory {input.inventory:q} --name {wildcards.figure:q} > {log:q} 2>&1"


rule page:
    """Write the report, a page that opens from disk."""
    input:
        inventory=f"{REPORT}/inventory.json",
        rows=f"{REPORT}/rows.csv",
        theory=THEORY,
        tables=TABLES,
        figures=FIGURES,
    output:
        report(
            f"{REPORT}/report.html",
            category="Report",
            caption="../report/page.rst",
            labels={"name": "everything"},
        ),
        manifest=f"{REPORT}/report.manifest.json",
    log:
        f"{REPORT}/page.log",
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        **JOB,
    params:
        depends=depends("page", *page_code()),
    shell:
        f"{ETSDM} page" " --inventory {input.inventory:q} > {log:q} 2>&1"
