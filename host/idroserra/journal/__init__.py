"""The grow journal: notes with photos, and harvests."""
