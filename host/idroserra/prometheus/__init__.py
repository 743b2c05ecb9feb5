"""Exports metrics for Prometheus at /metrics: docs/prometheus.md."""
