"""The dosing benchmark: our control and the policies of peers on the same greenhouse."""
