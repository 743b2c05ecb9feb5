"""Exports history as CSV, line protocol and Parquet (docs/page.md)."""
