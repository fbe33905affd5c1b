"""3 NETWORKS: one file per architecture, all behind one contract."""
