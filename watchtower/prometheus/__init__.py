"""`/metrics` for Prometheus: what pages show, as `realm_…` figures in base units.

In reading order: views, collector, then its parts: of_files, of_database, of_machines.
"""
