"""Foreign readings: values of sensors that are not nodes, shown and alarmed on only."""
