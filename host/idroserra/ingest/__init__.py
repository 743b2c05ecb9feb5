"""Receives records, stores them durably and acknowledges them to the nodes."""
