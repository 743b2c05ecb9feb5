"""Installs a board that is plugged in at the user's browser, over a WebSocket (docs/flash.md)."""
