"""Measurements of nat64d side by side with its peers. `docs/performance.md` tells how to read and repeat them."""
