"""Safety kernel: limits, dose ledger, interlocks, output gate, supervisor, authentication."""
