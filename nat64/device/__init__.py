"""Adapters to the system: the TUN device, its interface, the files of state, and the process's privileges."""
