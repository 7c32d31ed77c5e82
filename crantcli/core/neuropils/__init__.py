"""Where synapses lie, and what lies in each neuropil."""
