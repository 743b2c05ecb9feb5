"""`idroserra calibrate`: calibrates probes and pumps."""
