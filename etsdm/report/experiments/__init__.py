"""All that is shown of each experiment: one file a section, which defines `SECTION`."""
