"""The record: what happened, and what may lawfully follow."""
