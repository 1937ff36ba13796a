"""What the desk answers, by meaning: asking, forms, deciding, words instead of buttons, evidence, Home."""
