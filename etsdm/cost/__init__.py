"""What a benchmark takes: time, disk, files."""
