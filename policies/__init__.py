"""The rules: what is allowed, and who must agree."""
