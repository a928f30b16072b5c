"""A first configuration for pictures of one's own, which fits into some minutes of this machine."""
