"""Two finished benchmarks side by side: what differs between them beyond noise, as text and as a page."""
