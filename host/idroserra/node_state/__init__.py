"""The one state of a node, from plain values: causes, levels, and where each is mended."""
