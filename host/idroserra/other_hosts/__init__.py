"""Other hosts: their states, asked for by their API and read with distrust."""
