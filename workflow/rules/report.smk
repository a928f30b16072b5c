# ------------------------------------------------------------------------------------------------------------------
# Every measurement -> one tidy table -> tables, figures and the page.
# ------------------------------------------------------------------------------------------------------------------
rule rows:
    input:
        inventory=f"{REPORT}/inventory.json",
        measurements=[f"results/{measurement.file}" for measurement in plan.measurements],
        metrics=[f"results/{model}/metrics.jsonl" for model in plan.models],
    output:
        rows=f"{REPORT}/rows.csv",
        losses=f"{REPORT}/losses.csv",
    log:
        f"{REPORT}/rows.log",
    conda:
        ENVIRONMENT
    params:
        depends=depends("rows"),
    shell:
        "etsdm rows --inventory {input.inventory:q} > {log:q} 2>&1"


rule tables:
    input:
        inventory=f"{REPORT}/inventory.json",
        rows=f"{REPORT}/rows.csv",
        theory=THEORY,
    output:
        report(
            TABLES,
            category="Tables",
            caption="../report/tables.rst",
        ),
    log:
        f"{REPORT}/tables.log",
    conda:
        ENVIRONMENT
    params:
        depends=depends("tables"),
    shell:
        "etsdm tables --inventory {input.inventory:q} > {log:q} 2>&1"


rule figures:
    input:
        inventory=f"{REPORT}/inventory.json",
        rows=f"{REPORT}/rows.csv",
        losses=f"{REPORT}/losses.csv",
        theory=THEORY,
        images=SHOWN,
    output:
        [report(figure, category="Figures", caption=f"../report/{Path(figure).stem}.rst") for figure in FIGURES],
    log:
        f"{REPORT}/figures.log",
    conda:
        ENVIRONMENT
    params:
        depends=depends("figures"),
    shell:
        "etsdm figures --inventory {input.inventory:q} > {log:q} 2>&1"


rule page:
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
        ),
    log:
        f"{REPORT}/page.log",
    conda:
        ENVIRONMENT
    params:
        depends=depends("page"),
    shell:
        "etsdm page --inventory {input.inventory:q} > {log:q} 2>&1"
