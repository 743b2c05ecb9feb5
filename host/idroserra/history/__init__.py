"""The store of the history: one interface (models), SQLite or InfluxDB behind it (factory)."""
