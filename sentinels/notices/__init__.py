"""Notices outside the page: which entry of the chronicle goes to which address, and when."""
