"""What the measurements say about each claim and question, computed from paired seeds; nothing typed by hand."""
