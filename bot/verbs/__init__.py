"""The human verbs by meaning: asking, deciding, ending, and the steps they share."""
