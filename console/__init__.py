"""The console: people listen to what was flagged and say whether it is so."""
