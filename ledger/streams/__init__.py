"""One module a stream: its entries, its states and its fold."""
