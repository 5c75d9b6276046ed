"""Background work over machines: workers on any box take jobs that the Task Master gives them, by procrastinate.

Only where PostgreSQL holds the database. What says no to a world of its own file, and what pages and commands read of
workers, imports nothing of the library.
"""
