"""The outbox: stores records on flash until the host has stored them."""
