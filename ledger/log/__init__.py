"""The Merkle log: entries, leaves, tree and checkpoints. It knows no requests."""
