"""Bridges carry a battle's curves to TensorBoard, trackio and W&B's offline files.

They read `steps.bin` and `events.jsonl` beside the training, in a process of their own; nothing leaves this machine.
In reading order: `battle` (what is carried), `feed` (what is new since last time), `contract` (a tool), `carrying`, and
a file for each tool, which imports it only when it is asked for.
"""
