"""Sites on skeletons: summed up, and as synapses with compartments."""
