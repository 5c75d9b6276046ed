"""Background tasks, and the Task Master that starts them when the machine has nothing better to do.

In reading order: rules (what a player may set), registry (which tasks there are), surroundings (how busy the machine
is), conditions (what a task waits for), children (a task's process), state (what became of each), master (the loop),
by_hand (one task now), selectors (for the pages).
"""
