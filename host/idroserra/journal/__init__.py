"""The journal: what people did and saw, with photos and harvests."""
