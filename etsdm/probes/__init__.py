"""Measurements on trained networks: time-Lipschitz constants."""
