"""Last phase: slots. One builder an intent, from the tokens of its wish to values or doubts."""
