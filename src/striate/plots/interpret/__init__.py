"""Plots of what a trained network has learned."""
