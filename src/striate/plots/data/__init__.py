"""Plots of images and their preprocessing."""
