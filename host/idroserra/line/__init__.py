"""The line between nodes and host beyond one machine: certificates, and the broker."""
