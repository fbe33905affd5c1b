"""Hubel & Wiesel: simple and complex cells."""
