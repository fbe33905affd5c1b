"""`striate origins NAME`: one short file for each."""
