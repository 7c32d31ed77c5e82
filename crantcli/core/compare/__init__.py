"""What two wiring diagrams have in common: pairs of neurons, synapses that stay, groups, and what chance would do."""
