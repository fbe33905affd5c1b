"""The networks of the history side by side on the same digits."""
