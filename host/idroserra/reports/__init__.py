"""The report of a week or a crop of a node: what was measured, given, told and harvested."""
