"""A language model as a second reader of requests: it points at words of the sentence, and the grammar reads those."""
