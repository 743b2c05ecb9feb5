"""The history store: an interface (models) with SQLite and InfluxDB implementations."""
