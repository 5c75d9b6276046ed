"""What processes log: JSON lines in `logs/<service>/<service>.jsonl`, their levels, and reading them again.

Without Django and torch. In reading order: `configuration` (who logs where), `json_lines` (a record as a line),
`bounded` (whatever is in it), `daily_file` (days, sizes, several writers), `levels`; then `line`, `sources`, `reading`.
"""
