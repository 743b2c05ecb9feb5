"""Programs that only developers of Idroserra run."""
