"""The help by code: what a reason or a fault means, and what a person does about it."""
