"""Backups of everything a host holds, and how they come back: docs/host.md."""
