"""One file per part: gets a bus and a clock, returns numbers or raises SensorError."""
