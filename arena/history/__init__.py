"""Battles as history: found again, named and noted, fought once more with a change, deleted and put back."""
