"""The contract: quantities, faults, topics and messages, the same file on node and host."""
