"""What a recurrent network does with its state and with a gradient: modes, flow, growth, time scales."""
