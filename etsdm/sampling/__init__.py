"""From seeds to images."""
