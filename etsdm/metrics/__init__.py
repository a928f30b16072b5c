"""Image archives to features to distances. Knows nothing of how the images were made."""
