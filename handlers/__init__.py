"""What the bot says: one conversation a file, knowing no platform."""
