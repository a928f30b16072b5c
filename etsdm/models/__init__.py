"""The noise-prediction network and its weights on disk."""
