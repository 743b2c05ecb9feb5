"""`idroserra standby`."""
