"""Reports of a node over a week or a crop: readings, doses, alarms, harvests."""
