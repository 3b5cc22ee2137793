"""The commands nat64d, dns64d and nat64ctl: argument parsing and wiring, nothing else."""
