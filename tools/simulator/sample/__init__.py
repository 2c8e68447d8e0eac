"""People, organizations and their contents: made from one seed, dated relative to the simulator's start."""
