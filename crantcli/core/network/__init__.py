"""A wiring diagram as a linear network: its largest eigenvalue, and the steady state that seeds drive it to."""
