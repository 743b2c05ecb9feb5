"""Backups of everything a host holds, and how they come back: docs/backup.md."""
