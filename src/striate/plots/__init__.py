"""Drawing of results: arrays come in, files go out, torch is never imported.

Figures of how networks work, which compute what they show, stand in `figures/` and draw with what is here.
"""
