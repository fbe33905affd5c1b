"""From pixel to answer through every layer of a network."""
