"""Convolution by hand: kernels over an image."""
