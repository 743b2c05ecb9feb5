"""What Prometheus scrapes at /metrics: docs/prometheus.md."""
