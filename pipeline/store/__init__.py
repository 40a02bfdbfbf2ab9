"""What the feature store is made of: keys, shards and their folder, the team's store, and their upkeep."""
