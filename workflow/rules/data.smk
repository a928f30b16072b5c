# ------------------------------------------------------------------------------------------------------------------
# Any source -> images.zip, dataset.json and images.digest. What is made from the images watches images.digest alone: one
# line, which Snakemake compares by content. So data that were moved or touched, and prepared again, change nothing else.
# ------------------------------------------------------------------------------------------------------------------
rule prepare:
    """Pack the images of a data set, from any source, into one archive."""
    output:
        images="results/data/{data}/images.zip",
        description="results/data/{data}/dataset.json",
        digest="results/data/{data}/images.digest",
        manifest="results/data/{data}/manifest.json",
    log:
        "results/data/{data}/prepare.log",
    conda:
        ENVIRONMENT
    # Processes that read and resize images; Snakemake gives no more than there are cores.
    threads: 8
    resources:
        **JOB,
        **TIME_LIMIT,
    params:
        depends=lambda wildcards: source_of(wildcards.data),
        folder=subpath(output.images, parent=True),
    shell:
        f"{LONG_ETSDM} prepare"
        " --spec {params.depends[spec]:q} --out {params.folder:q} --workers {threads}"
        " > {log:q} 2>&1"
