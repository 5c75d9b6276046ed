"""Background tasks, and the Task Master that starts them when the machine has nothing better to do.

In reading order: rules (what a player may set), registry (which tasks there are), surroundings (how busy the machine
is), conditions (what a task waits for), waits (what its own past has against it), children (a task's process), state
(what became of each), alone (one Task Master a world), master (the loop), by_hand (one task now), selectors (for the
pages).
"""
