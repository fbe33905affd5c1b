"""The command line: parse first, import after; one short file for each command."""
