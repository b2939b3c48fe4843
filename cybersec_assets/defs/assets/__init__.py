"""The steps of the graph. Each function reads as the sentence in its docstring; the work is elsewhere."""
