"""What every block of the configuration is made of."""
