"""`idroserra calibrate`: the calibration wizard in the terminal."""
