"""The lab: pages on which a classifier is made, watched and understood, on this machine and without the network."""
