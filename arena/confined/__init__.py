"""Where what comes with a model runs on behalf of a process that others use: bounded in memory and time.

Chat templates are programs and tokenizers hold patterns; both come from whoever made the model. The oracle, the tavern,
the daemon and commands let them run in a child, which is ended when it takes too much. `process.py` is the parent's
side, `__main__.py` the child's, `mask.py` what stands in the place of `ChatMask`, `probe.py` what is asked of a model
folder before it is used. No Django, no torch.
"""
