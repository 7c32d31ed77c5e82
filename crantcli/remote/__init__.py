"""All that is asked of servers over HTTP, and what of it is kept; knows no table, mesh or neuron."""
