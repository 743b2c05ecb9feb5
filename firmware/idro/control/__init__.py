"""Pure decisions: values and now_ms in, Decision with its reason out."""
