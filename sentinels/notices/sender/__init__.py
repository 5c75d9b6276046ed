"""The process that sends one notice: nothing of a foreign library or server can hold up, or reach into, another one."""
