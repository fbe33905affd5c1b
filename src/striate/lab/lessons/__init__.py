"""The lessons, a file each: what can be moved, what is then computed by striate's own functions, and the exercises.

A lesson is imported to show its page; what is heavy is imported where it computes.
"""
