"""LangGraph graphs over the parts below: the reasoning graph, its controller and answer, and the runs through them."""
