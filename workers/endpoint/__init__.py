"""The governed address in front of vLLM: what is passed on, what it may cost, what it did cost."""
