"""Plots of a network's structure."""
