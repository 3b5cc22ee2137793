"""The fast path: a BPF program that translates plain packets of known hosts in the kernel, its maps, and what loads it."""
