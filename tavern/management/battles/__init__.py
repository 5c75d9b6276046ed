"""The actions of `manage.py battle`: its orders to the arena, and what it shows and does of history."""
