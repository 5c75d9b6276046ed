"""`python -m arena.fetching MODEL`: a hub's model onto this machine, in a process of its own, without torch.

Each line of its output is a JSON object: `{"done": bytes, "of": bytes}` while it goes on, last `{"folder": PATH}` or
`{"failed": WHY}`.
"""
