"""The hands: what is carried out, and taken back."""
