"""Notifications: policy, scheduling, messages, targets, outbox and delivery."""
