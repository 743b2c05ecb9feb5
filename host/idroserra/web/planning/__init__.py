"""The HTTP API of planning: doses before they are given, and tasks by date."""
