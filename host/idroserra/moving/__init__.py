"""Moves the nodes of a site to another host of the same cluster of brokers."""
