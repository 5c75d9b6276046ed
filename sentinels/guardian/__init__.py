"""The guardian: a small process that sees whether each service of a world does its work, and has it started again.

In reading order: watch (what is known of one service), processes (what the kernel says), pings (what the services
say), probe (whether they answer), guardian (the loop), events (what it did), peer (who watches the guardian).
"""
