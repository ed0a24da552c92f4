"""What the downstream feels of the pace: the product's own code on the simulation's clock."""
