"""Plots of how a training went."""
