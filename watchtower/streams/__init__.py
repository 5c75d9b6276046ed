"""Server-sent events: `sse` writes them, `feed` gives one look to all who watch; the others read what there is.

Each event carries the id of the place in its source behind it, made of what the world itself remembers (steps, numbers
of the chronicle), so that whoever comes back with `Last-Event-ID` misses nothing and gets nothing twice, whichever
process answers, and whether or not that was started since.
"""
