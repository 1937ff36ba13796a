"""Models under governance: versions by the digest of their weights."""
