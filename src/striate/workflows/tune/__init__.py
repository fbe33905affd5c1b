"""`striate tune`: a search for better settings."""
