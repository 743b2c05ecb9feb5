"""Where samples rest: SQLite or InfluxDB behind one interface."""
