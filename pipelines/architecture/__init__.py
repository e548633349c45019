"""What a network is made of: each layer by the textbook and as it is, and networks beside each other."""
