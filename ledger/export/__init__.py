"""Evidence in the formats auditors use."""
