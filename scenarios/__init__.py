"""People's work on machines: the command line, training, commissioning, studies."""
