"""Training: from an archive of images to an EMA snapshot, resumable at any point."""
