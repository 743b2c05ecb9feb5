"""The history store in InfluxDB and compatible databases."""
