"""History for other programs: CSV, line protocol, Parquet. See docs/page.md."""
