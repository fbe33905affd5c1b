"""Ivakhnenko 1971: the group method of data handling."""
