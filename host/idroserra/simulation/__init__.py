"""What the next days will look like: a node's greenhouse in the twin, from what the host knows."""
