"""The desk: what people say and see."""
