"""The kernel of updates: selects and verifies the application. Replaced only over USB."""
