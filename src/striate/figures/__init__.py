"""How networks work, in figures computed by the layers, penalties and norms that striate trains with: `striate figure`.

Each file computes one figure with torch and draws it. Results of a run are drawn in `plots/`, from arrays, without torch.
"""
