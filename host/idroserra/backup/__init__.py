"""Creates and restores backups of a host's data folder (docs/host.md)."""
