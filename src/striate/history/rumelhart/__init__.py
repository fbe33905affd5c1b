"""Rumelhart, Hinton & Williams 1986: back-propagation."""
