"""The registry of nodes, their live state and the commands sent to them."""
