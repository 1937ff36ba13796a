"""Requests as Block Kit; pure functions."""
