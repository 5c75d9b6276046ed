"""The gatekeepers: ScrollInspector (is every row a row?) and ContentWarden (is it worth training on?).

They run in a process of their own, because what they read is whatever somebody dropped. No Django, no torch.
"""
