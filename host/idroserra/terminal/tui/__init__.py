"""The greenhouse in a terminal: what the host's stream tells, drawn and acted on."""
