"""The settings of nodes over time, by which history is judged (docs/page.md)."""
