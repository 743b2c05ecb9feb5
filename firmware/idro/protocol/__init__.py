"""Protocol between node and host: quantities, faults, settings, topics and messages."""
