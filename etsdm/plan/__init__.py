"""From a configuration to runs."""
