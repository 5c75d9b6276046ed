"""The battles: their history, one of them, several beside each other, and what can be done with them."""
