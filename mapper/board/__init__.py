"""A partition on its board: places for cores, routes for packets, and the traffic on every link."""
