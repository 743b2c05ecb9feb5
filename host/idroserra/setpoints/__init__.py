"""Settings of nodes: as forms, and over time, by which history is judged (docs/page.md)."""
