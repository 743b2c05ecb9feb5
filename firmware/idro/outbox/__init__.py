"""The outbox: records on flash until the host has stored them."""
