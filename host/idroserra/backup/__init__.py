"""Creates and restores backups of a host's data folder (docs/backup.md)."""
