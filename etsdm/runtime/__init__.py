"""How jobs start, wait, share a machine, save, stop and leave a record. No number depends on it."""
