"""Text to a form; proposes, never decides."""
